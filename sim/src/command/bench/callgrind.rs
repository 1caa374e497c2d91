//! What callgrind wrote becomes instructions by source file ("Callgrind Format Specification" in valgrind's manual).
//!
//! Code that belongs to nobody in particular, such as that of the standard library or of the allocator, counts for who
//! called it: what a function took is divided among its callers as their calls took it.

use std::collections::BTreeMap;

/// How often costs are handed on to callers: longer chains of calls within such code are rare, and what is left is told as
/// what it is.
const PASSES: usize = 40;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    functions: Vec<Function>,
    /// All instructions.
    pub(super) total: u64,
}

#[derive(Debug)]
struct Function {
    /// The source file it is in.
    file: String,
    /// What it took itself.
    own: u64,
    /// Who called it, by place, and what that took.
    callers: BTreeMap<usize, u64>,
}

/// Reads a file of callgrind's, written with names and positions in full.
pub(super) fn read(text: &str) -> Counted {
    let mut counted = Counted::default();
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut place = |functions: &mut Vec<Function>, file: &str, name: &str| {
        *places.entry((file.to_owned(), name.to_owned())).or_insert_with(|| {
            functions.push(Function { file: file.to_owned(), own: 0, callers: BTreeMap::new() });
            functions.len() - 1
        })
    };
    let (mut file, mut callee_file) = (String::new(), None);
    let (mut function, mut callee) = (None, None);
    let mut is_call = false;
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "fl" => value.clone_into(&mut file),
                "fn" => function = Some(place(&mut counted.functions, &file, value)),
                "cfi" | "cfl" => callee_file = Some(value.to_owned()),
                "cfn" => {
                    let file = callee_file.take().unwrap_or_else(|| file.clone());
                    callee = Some(place(&mut counted.functions, &file, value));
                }
                // The next line says what the call took, all that it called included.
                "calls" => is_call = true,
                _ => {}
            }
        } else if let (Some(cost), Some(function)) = (cost_of(line), function) {
            match callee.take_if(|_| is_call) {
                Some(callee) => *counted.functions[callee].callers.entry(function).or_default() += cost,
                None => {
                    counted.functions[function].own += cost;
                    counted.total += cost;
                }
            }
            is_call = false;
        }
    }
    counted
}

/// The cost in a line `position cost`.
fn cost_of(line: &str) -> Option<u64> {
    let is_cost = line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c));
    is_cost.then(|| line.split_whitespace().nth(1)?.parse().ok()).flatten()
}

impl Counted {
    /// Instructions by layer. `layer` says which a file belongs to, if it belongs to any; what no layer called is `rest`.
    pub(super) fn by_layer<'a>(
        &self,
        layer: impl Fn(&str) -> Option<&'a str>,
        rest: &'a str,
    ) -> BTreeMap<&'a str, f64> {
        let layers: Vec<Option<&str>> = self.functions.iter().map(|function| layer(&function.file)).collect();
        let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
        let mut open: Vec<f64> = vec![0.0; self.functions.len()];
        for (place, function) in self.functions.iter().enumerate() {
            match layers[place] {
                Some(layer) => *counts.entry(layer).or_default() += function.own as f64,
                None => open[place] = function.own as f64,
            }
        }
        for _ in 0..PASSES {
            let mut next = vec![0.0; open.len()];
            for (place, cost) in open.iter().enumerate().filter(|(_, cost)| **cost > 0.0) {
                // What calls itself has no other caller for that part.
                let callers = self.functions[place].callers.iter().filter(|(caller, _)| **caller != place);
                let all: u64 = callers.clone().map(|(_, took)| took).sum();
                if all == 0 {
                    *counts.entry(rest).or_default() += cost;
                }
                for (caller, took) in callers.filter(|_| all > 0) {
                    let share = cost * *took as f64 / all as f64;
                    match layers[*caller] {
                        Some(layer) => *counts.entry(layer).or_default() += share,
                        None => next[*caller] += share,
                    }
                }
            }
            open = next;
        }
        *counts.entry(rest).or_default() += open.iter().sum::<f64>();
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checker and a link both call the allocator, and that calls libc; the link three times as dearly.
    const CALLGRIND: &str = "events: Ir\n\n\
        fl=/a/check/lost.rs\nfn=observe\n10 5\nfi=/b/core/vec.rs\n3 7\nfe=/a/check/lost.rs\n11 1\n\
        cfi=/m/malloc.c\ncfn=malloc\ncalls=2 5\n12 20\n13 2\n\n\
        fl=/a/io/link.rs\nfn=next\n1 900\ncfi=/m/malloc.c\ncfn=malloc\ncalls=1 5\n2 60\n\n\
        fl=/m/malloc.c\nfn=malloc\n5 40\ncfn=brk\ncalls=1 9\n6 40\n\n\
        fl=/m/malloc.c\nfn=brk\n9 40\n\ntotals: 995\n";

    fn layer(file: &str) -> Option<&'static str> {
        [("check/", "checkers"), ("io/", "io")]
            .iter()
            .find(|(part, _)| file.contains(part))
            .map(|(_, name)| *name)
    }

    #[test]
    fn what_was_called_counts_for_who_called_it_and_once() {
        let counted = read(CALLGRIND);
        let counts = counted.by_layer(layer, "rest");
        let of = |layer: &str| counts.get(layer).map_or(0, |count| count.round() as u64);

        assert_eq!(counted.total, 995);
        assert_eq!((of("checkers"), of("io"), of("rest")), (15 + 20, 900 + 60, 0));
    }

    #[test]
    fn what_no_layer_called_is_the_rest() {
        let counts = read("fl=/m/start.c\nfn=main\n1 12\n").by_layer(layer, "rest");
        assert_eq!(counts, BTreeMap::from([("rest", 12.0)]));
    }
}
