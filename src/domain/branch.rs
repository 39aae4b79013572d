//! Names of branches: the one a task works on, and which names git takes at all.
//!
//! Promises that a task's branch is a valid ref, is ASCII, and that no two generations of an issue share one.
//! Never looks at a repository.

use super::id::Generation;

/// Longest slug, in bytes.
const SLUG_MAX: usize = 40;
/// What stands for a title without a single ASCII letter or digit.
const NAMELESS: &str = "issue";

/// The branch of a task: `mosaic/<number>-<slug>`, from the second generation on with `-g2`, `-g3`.
pub fn branch_name(number: u64, title: &str, generation: Generation) -> String {
    let slug = slug(title);
    if generation == Generation::FIRST {
        return format!("mosaic/{number}-{slug}");
    }
    format!("mosaic/{number}-{slug}-g{generation}")
}

/// Lowercase ASCII words of a title joined by `-`, at most [`SLUG_MAX`] bytes, never empty, never ending in `-g2`.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for word in title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let room = SLUG_MAX - slug.len();
        let joint = usize::from(!slug.is_empty());
        if word.len() + joint > room {
            if slug.is_empty() {
                slug.push_str(&word[..SLUG_MAX]);
            }
            break;
        }
        if joint == 1 {
            slug.push('-');
        }
        slug.push_str(word);
    }
    slug.make_ascii_lowercase();
    if slug.is_empty() {
        return NAMELESS.to_owned();
    }
    without_generation_mark(slug)
}

/// A title may itself end in `g2`; joined by `_` it cannot be taken for the second generation of a shorter title.
fn without_generation_mark(slug: String) -> String {
    let Some((head, tail)) = slug.rsplit_once('-') else { return slug };
    let is_mark =
        tail.strip_prefix('g').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if is_mark { format!("{head}_{tail}") } else { slug }
}

/// Whether git takes `name` as a branch (the rules of `git check-ref-format --branch`).
pub fn is_branch_name(name: &str) -> bool {
    const FORBIDDEN: &[char] = &[' ', '~', '^', ':', '?', '*', '[', '\\', '\u{7f}'];
    !name.is_empty()
        && name.len() <= 200
        && name != "HEAD"
        && name != "@"
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.chars().any(|c| c < ' ' || FORBIDDEN.contains(&c))
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_branch_is_named_after_number_and_title() {
        assert_eq!(branch_name(7, "Add a `--json` flag!", Generation(1)), "mosaic/7-add-a-json-flag");
    }

    #[test]
    fn a_later_generation_is_marked() {
        assert_eq!(branch_name(7, "Add", Generation(3)), "mosaic/7-add-g3");
    }

    #[test]
    fn a_title_without_ascii_letters_still_has_a_slug() {
        assert_eq!(branch_name(7, "修复 🚀 …", Generation(1)), "mosaic/7-issue");
    }

    #[test]
    fn a_long_title_is_cut_between_words_and_a_long_word_within() {
        let long = branch_name(1, "one two three four five six seven eight nine ten", Generation(1));
        assert_eq!(long, "mosaic/1-one-two-three-four-five-six-seven-eight");
        let word = branch_name(1, &"x".repeat(90), Generation(1));
        assert_eq!(word, format!("mosaic/1-{}", "x".repeat(40)));
    }

    #[test]
    fn a_title_that_looks_like_a_generation_is_no_other_generation() {
        assert_eq!(branch_name(7, "fix g2", Generation(1)), "mosaic/7-fix_g2");
        assert_ne!(branch_name(7, "fix g2", Generation(1)), branch_name(7, "fix", Generation(2)));
    }

    #[test]
    fn names_git_refuses_are_refused() {
        for name in [
            "", "-x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b", ".a",
            "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}", "@", "HEAD", "a\nb",
        ] {
            assert!(!is_branch_name(name), "{name}");
        }
        for name in ["main", "feature/x", "release-1.2", "ünïcode", "a@b"] {
            assert!(is_branch_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_title_makes_a_valid_short_ascii_branch(number in 1u64.., title in ".{0,120}", generation in 1u32..) {
            let name = branch_name(number, &title, Generation(generation));
            prop_assert!(is_branch_name(&name), "{}", name);
            prop_assert!(name.is_ascii());
            let slug = slug(&title);
            prop_assert!(!slug.is_empty() && slug.len() <= 40);
        }

        #[test]
        fn generations_never_share_a_branch(one in "[a-z0-9 g]{0,12}", two in "[a-z0-9 g]{0,12}", a in 1u32..5, b in 1u32..5) {
            prop_assume!(a != b);
            prop_assert_ne!(branch_name(1, &one, Generation(a)), branch_name(1, &two, Generation(b)));
        }
    }
}
