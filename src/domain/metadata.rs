//! What an issue's text asks for, each field with where it was read.

use serde::{Deserialize, Serialize};

use super::id::IssueRef;

/// How hard an issue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difficulty {
    /// Any model may take it.
    Easy,
    /// The default.
    #[default]
    Medium,
    /// Only models of high capability.
    Hard,
}

impl Difficulty {
    /// The word for it, as an issue says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Medium => "medium",
            Self::Hard => "hard",
        }
    }
}

/// What goes first among ready tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all others.
    High,
    /// The default.
    #[default]
    Normal,
    /// After all others.
    Low,
}

impl Priority {
    /// The word for it, as an issue says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
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

impl Metadata {
    /// Fills each field that says nothing from `less_trusted`.
    #[must_use]
    pub fn or(self, less_trusted: Self) -> Self {
        Self {
            difficulty: self.difficulty.or(less_trusted.difficulty),
            estimated_tokens: self.estimated_tokens.or(less_trusted.estimated_tokens),
            files: self.files.or(less_trusted.files),
            agent: self.agent.or(less_trusted.agent),
            model: self.model.or(less_trusted.model),
            priority: self.priority.or(less_trusted.priority),
            blocks: self.blocks.or(less_trusted.blocks),
            blocked_by: self.blocked_by.or(less_trusted.blocked_by),
            acceptance: self.acceptance.or(less_trusted.acceptance),
        }
    }

    /// Marks every field that says something as read from `source`.
    #[must_use]
    pub fn read_from(self, source: Source) -> Self {
        fn from<T>(field: Option<Field<T>>, source: Source) -> Option<Field<T>> {
            field.map(|Field { value, .. }| Field { value, source })
        }
        Self {
            difficulty: from(self.difficulty, source),
            estimated_tokens: from(self.estimated_tokens, source),
            files: from(self.files, source),
            agent: from(self.agent, source),
            model: from(self.model, source),
            priority: from(self.priority, source),
            blocks: from(self.blocks, source),
            blocked_by: from(self.blocked_by, source),
            acceptance: from(self.acceptance, source),
        }
    }

    /// The difficulty that holds: what was said, else medium as the default.
    pub fn difficulty_in_force(&self) -> Field<Difficulty> {
        self.difficulty.clone().unwrap_or(Field { value: Difficulty::default(), source: Source::Default })
    }

    /// The priority that holds: what was said, else normal as the default.
    pub fn priority_in_force(&self) -> Field<Priority> {
        self.priority.clone().unwrap_or(Field { value: Priority::default(), source: Source::Default })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(word: &str, source: Source) -> Metadata {
        fn from<T>(value: T, source: Source) -> Option<Field<T>> {
            Some(Field { value, source })
        }
        let issue: IssueRef = format!("acme/{word}#1").parse().unwrap();
        Metadata {
            difficulty: from(Difficulty::Hard, source),
            estimated_tokens: from(word.len() as u64, source),
            files: from(vec![word.to_owned()], source),
            agent: from(word.to_owned(), source),
            model: from(word.to_owned(), source),
            priority: from(Priority::Low, source),
            blocks: from(vec![issue.clone()], source),
            blocked_by: from(vec![issue], source),
            acceptance: from(vec![word.to_owned()], source),
        }
    }

    #[test]
    fn what_is_trusted_more_stays_and_only_gaps_are_filled() {
        let (block, label) = (said("block", Source::Block), said("label", Source::Label));
        assert_eq!(block.clone().or(label.clone()), block);
        assert_eq!(Metadata::default().or(label.clone()), label);
        let gap = Metadata { model: None, ..block.clone() };
        assert_eq!(gap.or(label.clone()), Metadata { model: label.model, ..block });
    }

    #[test]
    fn provenance_is_marked_on_what_is_said_and_on_nothing_else() {
        assert_eq!(said("x", Source::Line).read_from(Source::Model), said("x", Source::Model));
        assert_eq!(Metadata::default().read_from(Source::Model), Metadata::default());
    }

    #[test]
    fn what_nobody_said_is_the_default_and_says_so() {
        let nothing = Metadata::default();
        assert_eq!(
            nothing.difficulty_in_force(),
            Field { value: Difficulty::Medium, source: Source::Default }
        );
        assert_eq!(nothing.priority_in_force(), Field { value: Priority::Normal, source: Source::Default });
        let said = said("x", Source::Label);
        assert_eq!(said.difficulty_in_force(), Field { value: Difficulty::Hard, source: Source::Label });
        assert_eq!(said.priority_in_force(), Field { value: Priority::Low, source: Source::Label });
    }

    #[test]
    fn words_are_those_of_an_issue() {
        assert_eq!(
            [Priority::High, Priority::Normal, Priority::Low].map(Priority::word),
            ["high", "normal", "low"]
        );
        assert_eq!(
            [Difficulty::Easy, Difficulty::Medium, Difficulty::Hard].map(Difficulty::word),
            ["easy", "medium", "hard"]
        );
    }
}
