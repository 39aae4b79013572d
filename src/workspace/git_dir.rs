//! Git directories written by hand: no template, no hook, no configuration but ours.
//!
//! Promises that a directory written here runs nothing of anybody else's when git is used with it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Who the coordinator's commits are by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name, as it appears in commits.
    pub name: String,
    /// E-mail address, as it appears in commits.
    pub email: String,
}

/// What a git directory is made of.
pub(super) struct GitDir<'a> {
    /// The branch that `HEAD` names.
    pub(super) branch: &'a str,
    /// Whether it has no work tree.
    pub(super) bare: bool,
    /// The mirror from which it borrows objects.
    pub(super) borrows: Option<&'a Path>,
    /// Whose commits are made with it.
    pub(super) identity: &'a Identity,
}

impl GitDir<'_> {
    /// Writes it at `path`, which must not be there; what it borrows is found by absolute path.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::create_dir(path)?;
        for folder in ["objects/info", "objects/pack", "refs/heads", "info"] {
            fs::create_dir_all(path.join(folder))?;
        }
        fs::write(path.join("HEAD"), format!("ref: refs/heads/{}\n", self.branch))?;
        fs::write(path.join("config"), self.config())?;
        if let Some(mirror) = self.borrows {
            let objects: PathBuf = mirror.join("objects");
            fs::write(path.join("objects/info/alternates"), format!("{}\n", objects.display()))?;
        }
        Ok(())
    }

    fn config(&self) -> String {
        let Self { bare, identity, .. } = self;
        let reflog = !bare;
        let name = quoted(&identity.name);
        let email = quoted(&identity.email);
        // Nothing is ever pruned: workspaces borrow their objects from mirrors.
        format!(
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = {bare}\n\
             \tlogallrefupdates = {reflog}\n\
             [user]\n\tname = {name}\n\temail = {email}\n\
             [gc]\n\tauto = 0\n\tpruneExpire = never\n[maintenance]\n\tauto = false\n\
             [receive]\n\tfsckObjects = true\n\tautogc = false\n"
        )
    }
}

/// A value as git's configuration files quote it.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(quoted("a \"b\" \\ c\n[core]"), r#""a \"b\" \\ c[core]""#);
    }

    #[test]
    fn a_directory_is_never_written_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity { name: "bot".to_owned(), email: "bot@x".to_owned() };
        let dir = GitDir { branch: "main", bare: true, borrows: None, identity: &identity };
        dir.write(&folder.path().join("a/b.git")).unwrap();
        assert_eq!(
            dir.write(&folder.path().join("a/b.git")).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }
}
