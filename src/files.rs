//! Files that others made: how they are read and removed without being led astray.
//!
//! Promises to follow no symbolic link on any part of a path below the given folder, to read no more than is
//! allowed, never to wait on a pipe or a device, and to remove folders whose permissions were taken away. Never
//! writes into a file.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};

/// How often, and how long apart, a folder of processes that are being killed is removed again.
const DYING_TRIES: usize = 50;
const DYING_PAUSE: Duration = Duration::from_millis(20);

/// Why a file below a folder was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("there is no file `{}`", .0.display())]
    Missing(PathBuf),
    /// The path leaves the folder, passes a symbolic link, or ends at something that is no plain file.
    #[error("`{}` is not a plain file inside the folder (symbolic links are not followed)", .0.display())]
    NotPlain(PathBuf),
    /// It is longer than allowed.
    #[error("`{}` is longer than {limit_bytes} bytes", .path.display())]
    TooLong {
        /// Path below the folder.
        path: PathBuf,
        /// What would have been allowed.
        limit_bytes: u64,
    },
    /// The disk said no.
    #[error("`{}` cannot be read: {source}", .path.display())]
    Io {
        /// Path below the folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Reads the plain file at `path` below `folder`, at most `limit_bytes`; follows no symbolic link below `folder`.
pub fn read_beneath(folder: &Path, path: &Path, limit_bytes: u64) -> Result<Vec<u8>, FileError> {
    let (parent, name) = open_parent(folder, path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        File::from(openat(&parent, &name, flags, Mode::empty()).map_err(|errno| classed(path, errno))?);
    let failed = |source| FileError::Io { path: path.to_owned(), source };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(FileError::NotPlain(path.to_owned()));
    }
    let mut content = Vec::new();
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > limit_bytes {
        return Err(FileError::TooLong { path: path.to_owned(), limit_bytes });
    }
    Ok(content)
}

/// Removes the file or link at `path` below `folder`, if there is one; follows no symbolic link below `folder`.
pub fn unlink_beneath(folder: &Path, path: &Path) -> Result<(), FileError> {
    let (parent, name) = match open_parent(folder, path) {
        Err(FileError::Missing(_)) => return Ok(()),
        opened => opened?,
    };
    match unlinkat(&parent, &name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(classed(path, errno)),
    }
}

/// Opens the folder that holds `path`, part by part.
fn open_parent(folder: &Path, path: &Path) -> Result<(rustix::fd::OwnedFd, PathBuf), FileError> {
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(PathBuf::from(name)),
            Component::CurDir => {}
            _ => return Err(FileError::NotPlain(path.to_owned())),
        }
    }
    let Some(last) = names.pop() else { return Err(FileError::NotPlain(path.to_owned())) };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, folder, flags, Mode::empty()).map_err(|errno| classed(path, errno))?;
    for name in names {
        at = openat(&at, &name, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| classed(path, errno))?;
    }
    Ok((at, last))
}

fn classed(path: &Path, errno: rustix::io::Errno) -> FileError {
    use rustix::io::Errno;
    match errno {
        Errno::NOENT => FileError::Missing(path.to_owned()),
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => FileError::NotPlain(path.to_owned()),
        other => FileError::Io { path: path.to_owned(), source: other.into() },
    }
}

/// Removes `path` with all below it, also where permissions were taken away; that it is not there is fine.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let Err(first) = remove_once(path) else { return Ok(()) };
    if first.kind() != io::ErrorKind::PermissionDenied {
        return Err(first);
    }
    open_up(path)?;
    remove_once(path)
}

fn remove_once(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A folder that goes with its owner; it need not be there.
#[derive(Debug)]
pub struct EphemeralFolder {
    path: PathBuf,
}

impl EphemeralFolder {
    /// Takes charge of the folder at `path`.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and returns when it is gone.
    pub async fn remove(mut self) -> io::Result<()> {
        remove_tree_apart(std::mem::take(&mut self.path)).await
    }
}

impl Drop for EphemeralFolder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        if path.as_os_str().is_empty() {
            return;
        }
        let remove = move || {
            if let Err(error) = remove_persistently(&path) {
                tracing::warn!(path = %path.display(), %error, "a temporary folder could not be removed");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Removes a folder in which processes that are being killed may still write for a moment.
fn remove_persistently(path: &Path) -> io::Result<()> {
    for _ in 0..DYING_TRIES {
        if remove_tree(path).is_ok() && !path.exists() {
            return Ok(());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "on a thread of its own, for what the kernel does not announce"
        )]
        std::thread::sleep(DYING_PAUSE);
    }
    remove_tree(path)
}

/// Removes `path` as [`remove_tree`] does, off the runtime's threads.
pub async fn remove_tree_apart(path: PathBuf) -> io::Result<()> {
    tokio::task::spawn_blocking(move || remove_tree(&path)).await.map_err(io::Error::other).flatten()
}

/// Gives every folder at or below `path` back to its owner.
fn open_up(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/report"), "twelve bytes").unwrap();
        folder
    }

    #[test]
    fn a_plain_file_is_read() {
        let folder = folder();
        assert_eq!(read_beneath(folder.path(), Path::new("./sub/report"), 12).unwrap(), b"twelve bytes");
    }

    #[test]
    fn a_file_longer_than_the_limit_is_refused() {
        let folder = folder();
        let error = read_beneath(folder.path(), Path::new("sub/report"), 11).unwrap_err();
        assert_eq!(error.to_string(), "`sub/report` is longer than 11 bytes");
    }

    #[test]
    fn symbolic_links_are_not_followed_on_any_part() {
        let folder = folder();
        symlink("/etc/passwd", folder.path().join("last")).unwrap();
        symlink("/etc", folder.path().join("first")).unwrap();
        for path in ["last", "first/passwd"] {
            let error = read_beneath(folder.path(), Path::new(path), 1 << 20).unwrap_err();
            assert!(matches!(error, FileError::NotPlain(_)), "{path}: {error}");
        }
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        let folder = folder();
        for path in ["../x", "/etc/passwd", "sub/../../x", "", "."] {
            let error = read_beneath(folder.path(), Path::new(path), 1 << 20).unwrap_err();
            assert!(matches!(error, FileError::NotPlain(_)), "{path}: {error}");
        }
    }

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let folder = folder();
        rustix::fs::mknodat(CWD, folder.path().join("pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        for path in ["pipe", "sub"] {
            let error = read_beneath(folder.path(), Path::new(path), 1 << 20).unwrap_err();
            assert!(matches!(error, FileError::NotPlain(_)), "{path}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_told_apart() {
        let folder = folder();
        for path in ["none", "none/none"] {
            let error = read_beneath(folder.path(), Path::new(path), 1).unwrap_err();
            assert!(matches!(error, FileError::Missing(_)), "{path}: {error}");
        }
    }

    #[test]
    fn unlinking_takes_the_link_and_leaves_what_it_points_at() {
        let folder = folder();
        let outside = tempfile::NamedTempFile::new().unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        symlink(outside.path().parent().unwrap(), folder.path().join("dir")).unwrap();
        unlink_beneath(folder.path(), Path::new("link")).unwrap();
        assert!(!folder.path().join("link").is_symlink());
        let through = Path::new("dir").join(outside.path().file_name().unwrap());
        assert!(matches!(unlink_beneath(folder.path(), &through), Err(FileError::NotPlain(_))));
        assert!(outside.path().exists());
        unlink_beneath(folder.path(), Path::new("none")).unwrap();
        unlink_beneath(folder.path(), Path::new("none/none")).unwrap();
        unlink_beneath(folder.path(), Path::new("sub/report")).unwrap();
        assert!(!folder.path().join("sub/report").exists());
    }

    #[test]
    fn folders_without_permissions_are_opened_up_to_be_removed() {
        let folder = folder();
        let closed = folder.path().join("sub");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        open_up(folder.path()).unwrap();
        assert_eq!(fs::metadata(&closed).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(&closed).unwrap();
        assert!(!closed.exists());
        remove_tree(&closed).unwrap();
    }
}
