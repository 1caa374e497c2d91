//! The program behind TLS: the official client and our own, each of which trusts an authority made for the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::node::Node;
use crate::process::Deadline;
use crate::squall::Squall;
use crate::{PATIENCE, SCRIPTS, TALKERS, survive_a_kill_of, upgraded};

/// An authority and what it certified, as files in PEM.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    /// A certificate for this machine.
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Squall's tests");
        let key = || KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server_key = key();
        let server = CertificateParams::new(names).expect("names of a host");
        let server = server.signed_by(&server_key, &authority).expect("a certificate");
        let files = Self { directory };
        for (name, text) in [
            ("authority.pem", authority.pem()),
            ("certificate.pem", server.pem()),
            ("key.pem", server_key.serialize_pem()),
        ] {
            fs::write(files.path(name), text).expect("a temporary directory takes files");
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The server's flags.
    fn flags(&self) -> [String; 4] {
        let path = |name| self.path(name).display().to_string();
        ["--tls-cert".to_owned(), path("certificate.pem"), "--tls-key".to_owned(), path("key.pem")]
    }

    fn serve(&self, deadline: Deadline) -> Squall {
        Squall::start(0, &self.path("chat.db"), &self.flags().each_ref().map(String::as_str), deadline)
    }
}

#[test]
fn acknowledged_messages_survive_a_kill_over_tls() {
    let Some(mut node) = Node::ready("acknowledged_messages_survive_a_kill_over_tls", &[SCRIPTS]) else {
        return;
    };
    let files = Files::new();
    node.authority = Some(files.path("authority.pem"));

    let flags = files.flags();
    let reports = survive_a_kill_of(&node, "polling,websocket", &flags.each_ref().map(String::as_str));

    assert!(upgraded(&reports) >= TALKERS, "only {} of {TALKERS} went over to WebSocket", upgraded(&reports));
}

/// Our own client says one line, with this among its environment.
fn chat(files: &Files, url: &str, authority: &Path) -> Output {
    let line = files.path("line");
    fs::write(&line, "hello from a pipe\n").expect("a temporary directory takes files");
    Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["chat", url, "--outbox"])
        .arg(files.path("outbox.db"))
        .env("SSL_CERT_FILE", authority)
        .stdin(File::open(&line).expect("it was written"))
        .output()
        .expect("it runs, and ends within its own patience")
}

#[test]
fn our_client_delivers_over_tls_whom_it_trusts() {
    let files = Files::new();
    let server = files.serve(Deadline::after(PATIENCE));
    assert!(server.url.starts_with("https://"), "{}", server.url);

    let said = chat(&files, &server.url, &files.path("authority.pem"));

    let errors = String::from_utf8_lossy(&said.stderr);
    // It leaves once all is acknowledged, and says so with its status; whether it is shown its own message before is chance.
    assert!(said.status.success(), "{errors}");
    assert!(errors.contains("connected") && !errors.contains("not delivered yet"), "{errors}");
}

#[test]
fn our_client_says_why_it_does_not_trust_and_keeps_the_message() {
    let files = Files::new();
    let server = files.serve(Deadline::after(PATIENCE));
    let stranger = Files::new();

    let said = chat(&files, &server.url, &stranger.path("authority.pem"));

    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success());
    assert!(errors.contains("invalid peer certificate"), "{errors}");
    assert!(errors.contains("1 message(s) not delivered yet: kept in"), "{errors}");
}

#[test]
fn a_server_that_cannot_prove_itself_does_not_start_and_says_why() {
    let (files, other) = (Files::new(), Files::new());
    let start = |flags: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.args(["serve", "--port", "0", "--db"]).arg(files.path("never.db"));
        command.args(flags).env_remove("SQUALL_TLS_CERT").env_remove("SQUALL_TLS_KEY");
        let output = command.output().expect("it ends by itself");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (cert_flag, key_flag) = (Path::new("--tls-cert"), Path::new("--tls-key"));
    let (certificate, missing) = (files.path("certificate.pem"), files.path("missing.pem"));

    let (code, error) = start(&[cert_flag, &certificate]);
    assert!(code == Some(2) && error.contains("--tls-key"), "{error}");
    let (code, error) = start(&[cert_flag, &missing, key_flag, &other.path("key.pem")]);
    assert!(code == Some(1) && error.contains("failed to read") && error.contains("missing.pem"), "{error}");
    let (code, error) = start(&[cert_flag, &certificate, key_flag, &other.path("key.pem")]);
    assert!(code == Some(1) && error.contains("the certificate and its key cannot be used"), "{error}");
    let (code, error) = start(&[cert_flag, &certificate, key_flag, &certificate]);
    assert!(code == Some(1) && error.contains("failed to read the private key"), "{error}");
    assert!(!files.path("never.db").exists(), "no new file is left behind");
}
