//! What an issue's text asks for, each field with where it was read.

use serde::{Deserialize, Serialize};

use super::id::IssueRef;

/// How hard an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difficulty {
    /// Any model may take it.
    Easy,
    /// The default.
    Medium,
    /// Only models of high capability.
    Hard,
}

/// What goes first among ready tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all others.
    High,
    /// The default.
    Normal,
    /// After all others.
    Low,
}

/// Where a field's value was read, most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The fenced `mosaic` block.
    Block,
    /// A line `Key: value` of the body.
    Line,
    /// A label such as `difficulty/hard`.
    Label,
    /// A model that read the text.
    Model,
    /// Nothing was said: the documented default.
    Default,
}

/// A value and where it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field<T> {
    /// The value.
    pub value: T,
    /// Its provenance.
    pub source: Source,
}

/// Everything the coordinator reads out of an issue's text and labels. What nobody said is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `Difficulty:`
    pub difficulty: Option<Field<Difficulty>>,
    /// `Estimated context:` in tokens.
    pub estimated_tokens: Option<Field<u64>>,
    /// `Files:`
    pub files: Option<Field<Vec<String>>>,
    /// `Agent:` a key under `[agents]`.
    pub agent: Option<Field<String>>,
    /// `Model:` a key under `[models]`.
    pub model: Option<Field<String>>,
    /// `Priority:`
    pub priority: Option<Field<Priority>>,
    /// `Blocks:`
    pub blocks: Option<Field<Vec<IssueRef>>>,
    /// `Blocked by:`
    pub blocked_by: Option<Field<Vec<IssueRef>>>,
    /// The points of the acceptance list, in order.
    pub acceptance: Option<Field<Vec<String>>>,
}
