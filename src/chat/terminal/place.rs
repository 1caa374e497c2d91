//! Where the terminal client keeps its outbox: one file for each server, and one for each client that runs at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TerminalError;
use crate::engine::Entropy;
use crate::io::ConnectUrl;
use crate::store::{SqliteOutbox, StoreError};

/// How many clients of one user may talk to one server at once.
const CLIENTS_MAX: u32 = 100;

/// Opens the outbox at `path`.
pub(super) fn open_at(path: &Path, entropy: &Arc<dyn Entropy>) -> Result<SqliteOutbox, TerminalError> {
    SqliteOutbox::open(path, Arc::clone(entropy))
        .map_err(|error| TerminalError::Outbox { path: path.to_owned(), source: error })
}

/// Opens the first outbox for `url` in `directory` that no other client uses; creates both where they are missing.
pub(super) fn open_free(
    directory: &Path,
    url: &ConnectUrl,
    entropy: &Arc<dyn Entropy>,
) -> Result<(SqliteOutbox, PathBuf), TerminalError> {
    std::fs::create_dir_all(directory)
        .map_err(|source| TerminalError::Directory { path: directory.to_owned(), source })?;
    for n in 1..=CLIENTS_MAX {
        let path = directory.join(file_name(url, n));
        match SqliteOutbox::open(&path, Arc::clone(entropy)) {
            Ok(outbox) => return Ok((outbox, path)),
            Err(StoreError::Locked(_)) => {}
            Err(source) => return Err(TerminalError::Outbox { path, source }),
        }
    }
    Err(TerminalError::TooManyClients)
}

/// `$XDG_DATA_HOME/squall`, by default `~/.local/share/squall` (XDG Base Directory Specification).
pub(super) fn default_directory(
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, TerminalError> {
    // "All paths set in these environment variables must be absolute"; others are to be ignored.
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("squall"))
        .ok_or(TerminalError::NoHome)
}

fn file_name(url: &ConnectUrl, n: u32) -> String {
    let host: String = url
        .host
        .chars()
        .map(
            |character| if character.is_alphanumeric() || "-.".contains(character) { character } else { '_' },
        )
        .collect();
    let suffix = if n == 1 { String::new() } else { format!("-{n}") };
    format!("outbox-{host}-{}{suffix}.db", url.port)
}

#[cfg(test)]
mod tests {
    use crate::store::testing::CountingEntropy;

    use super::*;

    fn url(host: &str) -> ConnectUrl {
        ConnectUrl { secure: false, host: host.to_owned(), port: 3000 }
    }

    #[test]
    fn a_second_client_gets_a_file_of_its_own_and_a_freed_one_is_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let entropy: Arc<dyn Entropy> = Arc::new(CountingEntropy::default());
        let open = || open_free(&directory.path().join("new"), &url("localhost"), &entropy).unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();

        let (first, first_path) = open();
        let (_second, second_path) = open();
        drop(first);
        let (_third, third_path) = open();

        assert_eq!(name(&first_path), "outbox-localhost-3000.db");
        assert_eq!(name(&second_path), "outbox-localhost-3000-2.db");
        assert_eq!(third_path, first_path);
    }

    #[test]
    fn a_host_cannot_lead_out_of_the_directory() {
        assert_eq!(file_name(&url("../[::1]"), 1), "outbox-..____1_-3000.db");
    }

    #[test]
    fn the_directory_is_the_data_home_or_below_home() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.to_owned();
            default_directory(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
            })
        };
        assert_eq!(of(&[("XDG_DATA_HOME", "/data"), ("HOME", "/me")]).unwrap(), Path::new("/data/squall"));
        assert_eq!(
            of(&[("XDG_DATA_HOME", "data"), ("HOME", "/me")]).unwrap(),
            Path::new("/me/.local/share/squall")
        );
        assert!(matches!(of(&[]), Err(TerminalError::NoHome)));
    }
}
