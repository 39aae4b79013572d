//! Texts of bounded length.
//!
//! Owns the cutting of what an agent says. Promises whole characters.

/// The first `max_bytes` of a text, or a little less.
pub(super) fn head(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    &text[..end]
}

/// A text of at most `max_bytes`; one that was cut ends in an ellipsis.
pub(super) fn clip(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    format!("{}…", head(text, max_bytes.saturating_sub('…'.len_utf8())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_stays_and_what_is_cut_shows_it() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abc…");
        assert_eq!(head("äöü", 3), "ä");
    }

    proptest! {
        #[test]
        fn no_cut_is_too_long_or_splits_a_character(text in any::<String>(), max_bytes in 3_usize..64) {
            prop_assert!(clip(&text, max_bytes).len() <= max_bytes);
            prop_assert!(text.starts_with(head(&text, max_bytes)));
        }
    }
}
