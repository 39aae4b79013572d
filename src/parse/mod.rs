//! Reads what an issue's text and labels ask for: difficulty, estimate, files, blockers and the rest.
//!
//! Owns the forms in which an issue may say it (a fenced `mosaic` block, key lines, labels) and their order of
//! trust. Promises never to fail and to take time in proportion to the text, whatever the text is. What cannot
//! be read stays unknown; what stands in other fences, in indented code, in quotes and in comments is not read.
//! Never follows a link.

mod block;
mod key;
mod line;
#[cfg(test)]
mod round_trip;
mod section;
#[cfg(test)]
mod tests;
mod value;

use key::Key;

use crate::domain::{
    id::RepoRef,
    metadata::{Metadata, Source},
};

/// What there is to read of an issue.
#[derive(Clone, Copy, Debug)]
pub struct IssueText<'a> {
    /// The issue's repository: a plain `#3` is an issue of it.
    pub repo: &'a RepoRef,
    /// The body as the forge gives it, in markdown.
    pub body: &'a str,
    /// Names of the labels.
    pub labels: &'a [String],
}

/// Reads all that is said; of a key that is said more than once in one place, the first that can be read.
///
/// A fenced `mosaic` block is trusted before key lines, and these before labels, each key by itself.
pub fn read(text: &IssueText<'_>) -> Metadata {
    let body = line::visible(text.body);
    let in_blocks = body.blocks.iter().map(|block| block::read(block, text.repo));
    let by_block = in_blocks.fold(Metadata::default(), Metadata::or).read_from(Source::Block);
    let by_line = section::read(&body.lines, text.repo).read_from(Source::Line);
    let by_label = read_labels(text.labels, text.repo).read_from(Source::Label);
    by_block.or(by_line).or(by_label)
}

/// Fills what the text left unsaid from what a model made of it.
pub fn merge(deterministic: Metadata, by_model: Option<Metadata>) -> Metadata {
    match by_model {
        Some(by_model) => deterministic.or(by_model.read_from(Source::Model)),
        None => deterministic,
    }
}

/// Reads labels such as `difficulty/hard` and `Priority: high`.
fn read_labels(labels: &[String], repo: &RepoRef) -> Metadata {
    let mut found = Metadata::default();
    for label in labels {
        let Some((name, value)) = label.split_once(['/', ':']) else { continue };
        if let Some(key @ (Key::Difficulty | Key::Priority)) = key::named(name) {
            section::set(&mut found, key, &[value.to_owned()], repo);
        }
    }
    found
}
