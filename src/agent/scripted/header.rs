//! The first line of a prompt, as an agent reads it.
//!
//! Owns `<!-- mosaic:task=owner/repo#7 phase=work session=1 turn=1 model=small -->`. Promises to take whatever is
//! there: what is absent or malformed is unknown.

/// What the header of a prompt tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The issue's number within its repository.
    pub(super) issue_number: Option<u64>,
    pub(super) phase: Option<String>,
    pub(super) session: Option<u32>,
    pub(super) turn: Option<u32>,
    pub(super) model: Option<String>,
}

impl Header {
    /// Reads the first line of `prompt`.
    pub(super) fn of(prompt: &str) -> Self {
        let mut header = Self::default();
        let line = prompt.lines().next().unwrap_or_default().trim();
        let Some(fields) =
            line.strip_prefix("<!--").map(str::trim_start).and_then(|rest| rest.strip_prefix("mosaic:"))
        else {
            return header;
        };
        for field in fields.trim_end_matches("-->").split_whitespace() {
            match field.split_once('=') {
                Some(("task", task)) => {
                    header.issue_number = task.rsplit_once('#').and_then(|(_, number)| number.parse().ok());
                }
                Some(("phase", phase)) => header.phase = Some(phase.to_owned()),
                Some(("session", number)) => header.session = number.parse().ok(),
                Some(("turn", number)) => header.turn = number.parse().ok(),
                Some(("model", model)) => header.model = Some(model.to_owned()),
                _ => {}
            }
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_header_is_read() {
        let header =
            Header::of("<!-- mosaic:task=owner/repo#7 phase=work session=1 turn=2 model=small -->\nDo it.");
        let wanted = Header {
            issue_number: Some(7),
            phase: Some("work".into()),
            session: Some(1),
            turn: Some(2),
            model: Some("small".into()),
        };
        assert_eq!(header, wanted);
    }

    #[test]
    fn a_prompt_without_a_header_tells_nothing() {
        assert_eq!(Header::of("Do it.\n<!-- mosaic:phase=work -->"), Header::default());
        assert_eq!(Header::of(""), Header::default());
        assert_eq!(Header::of("<!-- mosaic:task=o/r#x session=many odd -->"), Header::default());
    }
}
