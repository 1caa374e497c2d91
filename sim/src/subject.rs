//! What is run: scenario files, plan files, and folders of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::check::Expectations;
use crate::plan::{self, Backend, Plan};
use crate::scenario::{self, FaultStep, Scenario, text_of};

/// No plan is larger, and no scenario nearly as large.
const BYTES_MAX: usize = 64 << 20;

/// A file to run.
#[derive(Debug)]
pub struct Subject {
    /// Where it is.
    pub path: PathBuf,
    /// What is written in it.
    pub text: String,
    /// What it holds.
    pub content: Content,
    /// What carries the bytes in place of what the plan names, if anything.
    pub backend: Option<Backend>,
}

/// What a file holds.
#[derive(Debug)]
pub enum Content {
    /// A story, to be drawn with a seed.
    Scenario(Box<Scenario>),
    /// A plan that was drawn before, such as a regression: it has one seed.
    Plan(Box<Plan>),
}

impl Subject {
    /// What the text of a file says.
    ///
    /// # Errors
    /// What is wrong with it, as text for people.
    pub fn read(path: PathBuf, text: String, color: bool) -> Result<Self, String> {
        let file = path.display().to_string();
        let is_plan = text.lines().any(|line| line.starts_with("version:"));
        let content = if is_plan {
            Plan::from_yaml(&file, &text).map(|plan| Content::Plan(Box::new(plan)))
        } else {
            scenario::parse(&file, &text).map(|scenario| Content::Scenario(Box::new(scenario)))
        };
        let content = content.map_err(|diagnostics| diagnostics.render(color))?;
        Ok(Self { path, text, content, backend: None })
    }

    /// The scenario's name. A plan is called as its file: many plans come of one scenario, or of none.
    pub fn name(&self) -> String {
        match &self.content {
            Content::Scenario(scenario) => scenario.name.clone(),
            Content::Plan(_) => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// The same, carried by another backend; by what its plans name where there is none.
    pub fn on(mut self, backend: Option<Backend>) -> Self {
        self.backend = backend;
        self
    }

    /// The backend for many seeds; none where a plan names its own.
    pub fn fast_backend(&self) -> Option<Backend> {
        match &self.content {
            Content::Scenario(_) => Some(Backend::Event),
            Content::Plan(_) => None,
        }
    }

    /// The plan for a seed. A plan file is its own, whatever the seed.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut plan = match &self.content {
            Content::Scenario(scenario) => plan::draw(scenario, seed),
            Content::Plan(plan) => (**plan).clone(),
        };
        plan.backend = self.backend.unwrap_or(plan.backend);
        plan
    }

    /// The seeds from `first` that it has, `count` at most: a plan file has one, its own.
    pub fn seeds_from(&self, first: u64, count: u64) -> std::ops::Range<u64> {
        match &self.content {
            Content::Scenario(_) => first..first.saturating_add(count),
            Content::Plan(_) => self.default_seeds(),
        }
    }

    /// The seeds to run where none were asked for.
    pub fn default_seeds(&self) -> std::ops::Range<u64> {
        match &self.content {
            Content::Scenario(scenario) => 0..u64::from(scenario.seeds),
            Content::Plan(plan) => plan.seed..plan.seed + 1,
        }
    }

    /// The faults of a scenario that touched nothing, given which faults of each seed's plan did, by their places. None before
    /// it was run with as many seeds as it asks for, nor where a swarm draws what breaks.
    pub fn idle_faults(&self, touched: &BTreeMap<u64, BTreeSet<usize>>) -> Vec<(usize, &FaultStep)> {
        let Content::Scenario(scenario) = &self.content else { return Vec::new() };
        if (touched.len() as u64) < u64::from(scenario.seeds) {
            return Vec::new();
        }
        let busy: BTreeSet<usize> = touched
            .iter()
            .flat_map(|(seed, places)| {
                let steps = plan::fault_steps(scenario, *seed).into_iter().enumerate();
                steps.filter(|(place, _)| places.contains(place)).map(|(_, step)| step)
            })
            .collect();
        scenario.faults.iter().enumerate().filter(|(step, _)| !busy.contains(step)).collect()
    }

    /// What its seeds must show together; of a plan, that every promise holds.
    pub fn expectations(&self) -> Expectations {
        match &self.content {
            Content::Scenario(scenario) => scenario.expect.clone().into(),
            Content::Plan(_) => Expectations::default(),
        }
    }
}

/// Loads files, and folders of them in order of names.
///
/// # Errors
/// What is wrong, file by file, as text for people.
pub fn load(paths: &[PathBuf], color: bool) -> Result<Vec<Subject>, Vec<String>> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        if let Err(error) = collect(path, &mut files) {
            errors.push(format!("error: failed to read {}: {error}", path.display()));
        }
    }
    let mut subjects = Vec::new();
    for file in files {
        match load_file(&file, color) {
            Ok(subject) => subjects.push(subject),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(subjects) } else { Err(errors) }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        std::fs::metadata(path)?;
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "yaml") {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn load_file(path: &Path, color: bool) -> Result<Subject, String> {
    let file = path.display().to_string();
    let text = text_of(path, &file, BYTES_MAX).map_err(|diagnostics| diagnostics.render(color))?;
    Subject::read(path.to_owned(), text, color)
}
