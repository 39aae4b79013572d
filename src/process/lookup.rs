//! Which file a program's name means.
//!
//! Owns the search along a `PATH`. Promises to look only where it is told: the `PATH` and the folder given, not
//! the coordinator's. It also keeps `std` off its slow way: a `Command` with a bare name and a `PATH` of its own
//! forks the whole parent. Never starts anything.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Why a name leads to no program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing of that name is there.
    NotFound,
    /// There is something of that name, but it cannot be executed.
    NotExecutable(PathBuf),
}

/// The file behind `program`: searched along `search_path` when it is a bare name, else relative to `cwd`.
pub(super) fn find(program: &str, cwd: &Path, search_path: Option<&str>) -> Result<PathBuf, Missing> {
    if program.is_empty() {
        return Err(Missing::NotFound);
    }
    if program.contains('/') {
        return candidate(cwd.join(program));
    }
    let mut missing = Missing::NotFound;
    // An empty entry means the current folder, as it does to a shell; `join` makes it so.
    for entry in search_path.into_iter().flat_map(|path| path.split(':')) {
        match candidate(cwd.join(entry).join(program)) {
            Ok(path) => return Ok(path),
            Err(Missing::NotFound) => {}
            Err(found) => missing = found,
        }
    }
    Err(missing)
}

/// Whether `program` can be started with that `PATH`; one that is named relative to a folder may be.
pub fn is_startable(program: &str, search_path: Option<&str>) -> bool {
    let relative = program.contains('/') && !program.starts_with('/');
    relative || find(program, Path::new("/"), search_path).is_ok()
}

fn candidate(path: PathBuf) -> Result<PathBuf, Missing> {
    let Ok(metadata) = path.metadata() else { return Err(Missing::NotFound) };
    if metadata.is_file() && access(&path, Access::EXEC_OK).is_ok() {
        Ok(path)
    } else {
        Err(Missing::NotExecutable(path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place(folder: &Path, name: &str, mode: u32) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn what_is_startable_is_on_the_path_or_named_outright() {
        let folder = tempfile::tempdir().unwrap();
        let program = place(folder.path(), "agent", 0o755);
        let path = folder.path().to_str();
        assert!(is_startable("agent", path) && is_startable(program.to_str().unwrap(), None));
        assert!(is_startable("./agent", None), "the workspace is not there to be looked at yet");
        assert!(!is_startable("agent", None) && !is_startable("/no/such/agent", path));
    }

    #[test]
    fn first_executable_on_the_path_wins_over_earlier_files_that_are_none() {
        let root = tempfile::tempdir().unwrap();
        let plain = root.path().join("plain");
        let good = root.path().join("good");
        place(&plain, "agent", 0o644);
        let expected = place(&good, "agent", 0o755);
        let path = format!("{}:{}", plain.display(), good.display());

        assert_eq!(find("agent", root.path(), Some(&path)), Ok(expected));
    }

    #[test]
    fn file_without_execute_right_is_told_from_a_missing_one() {
        let root = tempfile::tempdir().unwrap();
        let plain = place(root.path(), "agent", 0o644);
        let path = root.path().display().to_string();

        assert_eq!(find("agent", root.path(), Some(&path)), Err(Missing::NotExecutable(plain)));
        assert_eq!(find("other", root.path(), Some(&path)), Err(Missing::NotFound));
        assert_eq!(find("agent", root.path(), None), Err(Missing::NotFound));
        assert_eq!(find("", root.path(), Some(&path)), Err(Missing::NotFound));
    }

    #[test]
    fn name_with_a_slash_is_relative_to_the_folder_and_never_searched() {
        let root = tempfile::tempdir().unwrap();
        let expected = place(&root.path().join("bin"), "agent", 0o755);

        assert_eq!(find("bin/agent", root.path(), None), Ok(expected.clone()));
        assert_eq!(find(expected.to_str().unwrap(), Path::new("/"), None), Ok(expected));
        let path = root.path().display().to_string();
        assert_eq!(find("./agent", Path::new("/nowhere"), Some(&path)), Err(Missing::NotFound));
    }

    #[test]
    fn relative_and_empty_path_entries_are_relative_to_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let here = place(root.path(), "here", 0o755);
        let below = place(&root.path().join("bin"), "below", 0o755);

        assert_eq!(find("here", root.path(), Some("/nowhere:")), Ok(root.path().join("").join("here")));
        assert_eq!(find("below", root.path(), Some("bin")), Ok(below));
        assert!(here.exists());
    }

    #[test]
    fn folder_is_no_program() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("agent");
        fs::create_dir(&folder).unwrap();

        assert_eq!(
            find("./agent", root.path(), None),
            Err(Missing::NotExecutable(root.path().join("./agent")))
        );
    }
}
