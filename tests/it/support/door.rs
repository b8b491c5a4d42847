//! The real binary, running.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::remains::Folder;
use super::{Answer, Process, curl};
use serde_json::Value;

/// A running `doorward`. Its folder goes with it.
pub(crate) struct Door {
    pub(crate) process: Process,
    /// The line it printed when it was ready.
    pub(crate) ready: Value,
    /// What it and its commands are begun by.
    pub(crate) within: Vec<String>,
    folder: Folder,
}

/// A command of the binary under test.
pub(crate) fn doorward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(arguments);
    command
}

fn begun(within: &[String], arguments: &[&str]) -> Command {
    let Some((program, before)) = within.split_first() else { return doorward(arguments) };
    let mut command = Command::new(program);
    command.args(before).arg(env!("CARGO_BIN_EXE_doorward")).args(arguments);
    command
}

impl Door {
    /// `doorward demo --json` on ports of its own choice, with further arguments.
    #[track_caller]
    pub(crate) fn demo(arguments: &[&str]) -> Self {
        let folder = Folder::new();
        let state = folder.path().join("demo");
        let mut command = doorward(&["demo", "--json", "--listen", "127.0.0.1:0", "--plain", "127.0.0.1:0", "--folder"]);
        let process = Process::start(command.arg(&state).args(arguments));
        let ready = process.json_line();
        Self { process, ready, within: Vec::new(), folder }
    }

    /// `doorward serve` with a configuration; `{folder}` in it is the door's own folder, which `prepare` may fill first.
    /// The ready line holds `listeners` (addresses in order) and `operations`.
    #[track_caller]
    pub(crate) fn serve(configuration: &str, prepare: impl FnOnce(&std::path::Path)) -> Self {
        Self::serve_within(configuration, |folder| {
            prepare(folder);
            Vec::new()
        })
    }

    /// The same, begun by what `prepare` says: a program and its arguments.
    #[track_caller]
    pub(crate) fn serve_within(configuration: &str, prepare: impl FnOnce(&std::path::Path) -> Vec<String>) -> Self {
        let mut folder = Folder::new();
        let within = prepare(folder.path());
        let file = folder.path().join("doorward.yaml");
        fs::write(&file, configuration.replace("{folder}", folder.path().to_str().unwrap())).unwrap();
        folder.is_given();
        let process = Process::start(begun(&within, &["serve", "--json", "--config"]).arg(&file));
        let ready = process.json_line();
        Self { process, ready, within, folder }
    }

    /// Ends it as an operator would, and begins it again with the same configuration.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.process.signal("TERM");
        assert_eq!(self.process.wait(), Some(0), "{}", self.process.said());
        self.begin_again();
    }

    /// Begins it again with the same configuration, after it ended.
    #[track_caller]
    pub(crate) fn begin_again(&mut self) {
        self.process = Process::start(begun(&self.within, &["serve", "--json", "--config"]).arg(self.config()));
        self.ready = self.process.json_line();
    }

    /// The door's own folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The configuration it runs with.
    pub(crate) fn config(&self) -> PathBuf {
        match self.ready["config"].as_str() {
            Some(file) => file.into(),
            None => self.folder.path().join("doorward.yaml"),
        }
    }

    /// A text of the ready line, such as `url` or `api_key` of the demo.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ready))
    }

    /// Address of the listener with this place in the configuration.
    #[track_caller]
    pub(crate) fn listener(&self, index: usize) -> &str {
        self.ready["listeners"][index].as_str().unwrap_or_else(|| panic!("no listener {index} in {}", self.ready))
    }

    /// curl to the demo's encrypted address, with further arguments.
    #[track_caller]
    pub(crate) fn curl(&self, path: &str, arguments: &[&str]) -> Answer {
        let url = format!("{}{path}", self.text("url"));
        let mut all = vec!["--cacert", self.text("ca"), "--path-as-is"];
        all.extend(arguments);
        all.push(&url);
        curl(&all)
    }

    /// The newest events of a kind.
    #[track_caller]
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let listed = self.command(&["audit", "list", "--kind", kind]);
        listed.as_array().cloned().unwrap_or_else(|| panic!("{listed}"))
    }

    /// A command of the same binary on the same configuration; its standard output as JSON.
    #[track_caller]
    pub(crate) fn command(&self, arguments: &[&str]) -> Value {
        let output = begun(&self.within, arguments).arg("--json").arg("--config").arg(self.config()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
    }
}
