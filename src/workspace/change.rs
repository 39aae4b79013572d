//! What changed between two trees, file by file.
//!
//! Owns the reading of git's raw and numstat formats. Promises to read any path (as lossy UTF-8); renames are one
//! removal and one addition.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

/// Most files that a diff-stat names.
const STAT_FILES: usize = 200;
/// Mode of a submodule's entry.
const GITLINK: &str = "160000";

/// How a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// It is new.
    Added,
    /// Content or permissions differ.
    Modified,
    /// It is gone.
    Deleted,
    /// A file became a link, a submodule, or the like.
    TypeChanged,
}

/// One file that differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Its path in the tree.
    pub path: String,
    /// How it changed.
    pub status: ChangeStatus,
    /// Lines added; `None` for binary content.
    pub added: Option<u64>,
    /// Lines deleted; `None` for binary content.
    pub deleted: Option<u64>,
    /// Mode in the older tree, in octal digits (`000000`: none).
    pub old_mode: String,
    /// Mode in the newer tree, in octal digits (`000000`: none).
    pub new_mode: String,
}

impl ChangedFile {
    /// Whether a submodule stands where none was.
    pub(super) fn is_new_gitlink(&self) -> bool {
        self.new_mode == GITLINK && self.old_mode != GITLINK
    }
}

/// Reads the output of `git diff-tree -r -z --raw --numstat --no-renames`; `None` where it is something else.
pub(super) fn parse_changes(output: &[u8]) -> Option<Vec<ChangedFile>> {
    let text = String::from_utf8_lossy(output);
    let mut fields = text.split('\0').filter(|field| !field.is_empty());
    let mut files: BTreeMap<String, ChangedFile> = BTreeMap::new();
    while let Some(field) = fields.next() {
        if let Some(raw) = field.strip_prefix(':') {
            let path = fields.next()?.to_owned();
            let parts: Vec<_> = raw.split(' ').collect();
            let [old_mode, new_mode, _, _, status] = parts.as_slice() else { return None };
            let status = match status.chars().next()? {
                'A' => ChangeStatus::Added,
                'M' => ChangeStatus::Modified,
                'D' => ChangeStatus::Deleted,
                'T' => ChangeStatus::TypeChanged,
                _ => return None,
            };
            let (old_mode, new_mode) = ((*old_mode).to_owned(), (*new_mode).to_owned());
            files.insert(
                path.clone(),
                ChangedFile { path, status, added: None, deleted: None, old_mode, new_mode },
            );
            continue;
        }
        let mut parts = field.splitn(3, '\t');
        let (added, deleted, path) = (parts.next()?, parts.next()?, parts.next()?);
        let file = files.get_mut(path)?;
        file.added = added.parse().ok();
        file.deleted = deleted.parse().ok();
    }
    Some(files.into_values().collect())
}

/// A diff-stat for people and prompts: one line per file, then the sum.
pub(super) fn diff_stat(files: &[ChangedFile]) -> String {
    let mut text = String::new();
    for file in files.iter().take(STAT_FILES) {
        let mark = match file.status {
            ChangeStatus::Added => 'A',
            ChangeStatus::Modified => 'M',
            ChangeStatus::Deleted => 'D',
            ChangeStatus::TypeChanged => 'T',
        };
        let lines = match (file.added, file.deleted) {
            (Some(added), Some(deleted)) => format!("+{added} -{deleted}"),
            _ => "binary".to_owned(),
        };
        let path: String = file.path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let _ = writeln!(text, "{mark} {path} | {lines}");
    }
    if files.len() > STAT_FILES {
        let _ = writeln!(text, "… and {} more", files.len() - STAT_FILES);
    }
    let sum = |lines: fn(&ChangedFile) -> Option<u64>| files.iter().filter_map(lines).sum::<u64>();
    let (added, deleted) = (sum(|file| file.added), sum(|file| file.deleted));
    let _ = write!(text, "{} files changed, {added} lines added, {deleted} deleted", files.len());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RAW: &[u8] =
        b":100644 100644 de9 0f6 M\0we\tird\0:000000 160000 000 abc A\0sub\0:100644 000000 a 0 D\0gone\0\
        :100644 120000 a b T\0link\x001\t2\twe\tird\x001\t0\tsub\0-\t-\tgone\0";

    #[test]
    fn raw_and_numstat_are_read_together() {
        let files = parse_changes(RAW).unwrap();
        let shown: Vec<_> = files.iter().map(|f| (f.path.as_str(), f.status, f.added, f.deleted)).collect();
        assert_eq!(
            shown,
            [
                ("gone", ChangeStatus::Deleted, None, None),
                ("link", ChangeStatus::TypeChanged, None, None),
                ("sub", ChangeStatus::Added, Some(1), Some(0)),
                ("we\tird", ChangeStatus::Modified, Some(1), Some(2)),
            ]
        );
        assert!(files[2].is_new_gitlink());
        assert!(!files[0].is_new_gitlink());
    }

    #[test]
    fn what_is_no_diff_is_refused() {
        for output in
            [&b":100644 M\0x\0"[..], b":1 2 3 4 M\0", b":1 2 3 4 X\0x\0", b"1\t2\tunknown\0", b"text\0"]
        {
            assert_eq!(parse_changes(output), None);
        }
        assert_eq!(parse_changes(b""), Some(Vec::new()));
    }

    #[test]
    fn a_diff_stat_is_bounded_and_on_clean_lines() {
        let file = |path: &str, added| ChangedFile {
            path: path.to_owned(),
            status: ChangeStatus::Added,
            added,
            deleted: added,
            old_mode: "000000".to_owned(),
            new_mode: "100644".to_owned(),
        };
        assert_eq!(
            diff_stat(&[file("a\nb", Some(2)), file("bin", None)]),
            "A a\u{fffd}b | +2 -2\nA bin | binary\n2 files changed, 2 lines added, 2 deleted"
        );
        let many: Vec<_> = (0..250).map(|n| file(&n.to_string(), Some(1))).collect();
        let stat = diff_stat(&many);
        assert_eq!(stat.lines().count(), 202);
        assert!(stat.ends_with("… and 50 more\n250 files changed, 250 lines added, 250 deleted"));
    }

    proptest! {
        #[test]
        fn no_output_makes_reading_fail(output in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_changes(&output);
        }
    }
}
