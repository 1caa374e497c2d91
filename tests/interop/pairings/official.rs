//! The official server and client: one Node process that plays all cases, reached by lines of JSON.
#![expect(clippy::disallowed_methods, reason = "a real process: its pipe needs a thread")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

/// Who listens to which case.
type Listeners = Arc<Mutex<BTreeMap<String, UnboundedSender<Value>>>>;

/// The process. Ended when dropped.
pub(crate) struct Official {
    child: Mutex<Child>,
    stdin: Mutex<ChildStdin>,
    listeners: Listeners,
}

impl Official {
    /// Starts it; what it says on stderr goes to ours.
    pub(crate) fn start(scripts: &Path) -> Arc<Self> {
        let mut child = Command::new("node")
            .arg(scripts.join("driver.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node was asked for its version before");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let listeners = Listeners::default();
        let told = listeners.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                tell(&told, &line);
            }
            // Whoever still listens hears that nothing more will come.
            for listener in told.lock().expect("no one panics while holding it").values() {
                drop(listener.send(gone()));
            }
        });
        Arc::new(Self { child: Mutex::new(child), stdin: Mutex::new(stdin), listeners })
    }

    /// From now on what happens in this case is told here.
    pub(crate) fn listen(&self, case: &str, lines: UnboundedSender<Value>) {
        if self
            .child
            .lock()
            .expect("no one panics while holding it")
            .try_wait()
            .is_ok_and(|end| end.is_some())
        {
            drop(lines.send(gone()));
        }
        self.listeners.lock().expect("no one panics while holding it").insert(case.to_owned(), lines);
    }

    /// Has something done. Where the process is gone, its listeners know.
    pub(crate) fn play(&self, command: &Value) {
        let mut stdin = self.stdin.lock().expect("no one panics while holding it");
        drop(writeln!(stdin, "{command}"));
    }

    /// The case is over.
    pub(crate) fn end(&self, case: &str) {
        self.listeners.lock().expect("no one panics while holding it").remove(case);
        self.play(&json!({ "case": case, "do": "end" }));
    }
}

/// The last line that a case hears from a process that died.
fn gone() -> Value {
    json!({ "gone": true })
}

fn tell(listeners: &Listeners, line: &str) {
    let Ok(line) = serde_json::from_str::<Value>(line) else {
        eprintln!("the Node driver said what is no JSON: {line}");
        return;
    };
    let listeners = listeners.lock().expect("no one panics while holding it");
    if let Some(listener) = line["case"].as_str().and_then(|case| listeners.get(case)) {
        // A case that has ended no longer listens.
        drop(listener.send(line));
    }
}

impl Drop for Official {
    fn drop(&mut self) {
        let mut child = self.child.lock().expect("no one panics while holding it");
        drop(child.kill());
        drop(child.wait());
    }
}
