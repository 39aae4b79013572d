//! Text for a terminal: aligned columns, and words for numbers.
//!
//! Promises that what others wrote (titles, reasons, panics) cannot steer the terminal.

/// Rows of aligned cells; the last cell of a row is as wide as it is.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    /// A line of its own under the row above.
    Note(String),
}

impl Table {
    pub(super) fn with_heading(heading: &[&str]) -> Self {
        let mut table = Self::default();
        table.row(heading.iter().map(|cell| (*cell).to_owned()));
        table
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(Row::Cells(cells.into_iter().map(|cell| printable(&cell)).collect()));
    }

    pub(super) fn note(&mut self, text: &str) {
        self.rows.push(Row::Note(printable(text)));
    }

    /// The lines, each ended, none with blanks at its end.
    pub(super) fn render(&self) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let line = match row {
                Row::Note(note) => format!("    {note}"),
                Row::Cells(cells) => {
                    let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
                    padded.collect::<Vec<_>>().join("  ")
                }
            };
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The text on one line, without characters that steer a terminal or turn the direction of writing.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.trim_end().chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// At most `limit` characters of the text; what is cut shows.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// US dollars, or that they are unknown.
pub(super) fn dollars(amount: Option<f64>) -> String {
    // Nought is added, as a sum of nothing is minus nought.
    match amount.map(|amount| amount + 0.0) {
        None => "unknown".to_owned(),
        // A price of a fraction of a cent is none of nothing.
        Some(amount) if amount > 0.0 && amount < 0.01 => format!("${amount:.4}"),
        Some(amount) => format!("${amount:.2}"),
    }
}

/// A span of time in its largest fitting unit.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// One or several of a thing.
pub(super) fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::with_heading(&["ID", "STATE", "TITLE"]);
        table.row(["acme/app#1", "done", "Ärger mit Ümläuten"].map(str::to_owned));
        table.row(["b", "in_review", ""].map(str::to_owned));
        table.note("waits for a person");
        table.row(["c".to_owned()]);
        insta::assert_snapshot!(table.render(), @r"
        ID          STATE      TITLE
        acme/app#1  done       Ärger mit Ümläuten
        b           in_review
            waits for a person
        c
        ");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        let mut table = Table::default();
        table.row(["a\u{1b}[31mred\r\n\tb\u{202e}c\u{9b}".to_owned()]);
        table.note("\u{7}\u{2066}x\u{2028}y");
        assert_eq!(table.render(), "a [31mred   b c\n      x y\n");
    }

    #[test]
    fn a_cut_shows_and_counts_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
        assert_eq!(shortened("ab cd", 4), "ab…");
        assert_eq!(shortened("abc", 0), "…");
    }

    #[test]
    fn numbers_become_words() {
        let amounts = [None, Some(0.0), Some(-0.0), Some(0.0004), Some(0.42), Some(12.345)].map(dollars);
        assert_eq!(amounts, ["unknown", "$0.00", "$0.00", "$0.0004", "$0.42", "$12.35"]);
        let spans = [0, 999, 1_050, 59_999, 61_000, 3_600_000 + 120_000].map(span);
        assert_eq!(spans, ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 1 s", "1 h 2 min"]);
        assert_eq!(
            [counted(0, "gate"), counted(1, "gate"), counted(2, "gate")],
            ["0 gates", "1 gate", "2 gates"]
        );
    }
}
