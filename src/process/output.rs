//! The head and the tail of an output, in bounded memory.
//!
//! Owns what is kept of a program's output for a person to read. Promises to hold never more bytes than the
//! limit, and to say how many it left out. Never fails on bytes that are not UTF-8.

/// Keeps the first and the last half of what is pushed.
#[derive(Debug, Clone)]
pub struct HeadTail {
    head: Vec<u8>,
    head_limit: usize,
    /// A ring once it is full; `oldest` is where it begins.
    tail: Vec<u8>,
    tail_limit: usize,
    oldest: usize,
    pushed: u64,
}

impl HeadTail {
    /// Keeps at most `limit_bytes`, and never allocates more for it.
    pub fn new(limit_bytes: usize) -> Self {
        let head_limit = limit_bytes / 2;
        let tail_limit = limit_bytes - head_limit;
        Self { head: Vec::new(), head_limit, tail: Vec::new(), tail_limit, oldest: 0, pushed: 0 }
    }

    /// Adds output.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pushed += bytes.len() as u64;
        let to_head = bytes.len().min(self.head_limit - self.head.len());
        append(&mut self.head, &bytes[..to_head], self.head_limit);
        let rest = &bytes[to_head..];
        // Of more than a whole ring only the end can stay.
        let rest = &rest[rest.len().saturating_sub(self.tail_limit)..];
        let to_fill = rest.len().min(self.tail_limit - self.tail.len());
        append(&mut self.tail, &rest[..to_fill], self.tail_limit);
        self.overwrite(&rest[to_fill..]);
    }

    fn overwrite(&mut self, bytes: &[u8]) {
        let before_wrap = bytes.len().min(self.tail.len() - self.oldest);
        let (first, second) = bytes.split_at(before_wrap);
        self.tail[self.oldest..self.oldest + first.len()].copy_from_slice(first);
        self.tail[..second.len()].copy_from_slice(second);
        if !bytes.is_empty() {
            self.oldest = (self.oldest + bytes.len()) % self.tail.len();
        }
    }

    /// How many bytes were pushed in all.
    pub fn pushed_bytes(&self) -> u64 {
        self.pushed
    }

    /// How many bytes are not kept.
    pub fn left_out_bytes(&self) -> u64 {
        self.pushed - (self.head.len() + self.tail.len()) as u64
    }

    /// What is kept as text, with a line in the middle that says what is not.
    pub fn text(&self) -> String {
        let mut tail = Vec::with_capacity(self.tail.len());
        tail.extend_from_slice(&self.tail[self.oldest..]);
        tail.extend_from_slice(&self.tail[..self.oldest]);
        if self.left_out_bytes() == 0 {
            let whole = [self.head.as_slice(), &tail].concat();
            return String::from_utf8_lossy(&whole).into_owned();
        }
        let head = without_cut_end(&self.head);
        let tail = without_cut_start(&tail);
        let left_out = self.pushed - (head.len() + tail.len()) as u64;
        let head = String::from_utf8_lossy(head);
        let tail = String::from_utf8_lossy(tail);
        let line_feed = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
        format!("{head}{line_feed}[{left_out} bytes left out]\n{tail}")
    }
}

/// Appends, growing by doubling but never beyond `limit`, within which the whole must stay.
pub(super) fn append(target: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let needed = target.len() + bytes.len();
    if needed > target.capacity() {
        let capacity = needed.max(target.capacity() * 2).min(limit);
        target.reserve_exact(capacity - target.len());
    }
    target.extend_from_slice(bytes);
}

/// Without a character that was cut in its middle at the end.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    let Some(last) = bytes.utf8_chunks().last() else { return bytes };
    let start = last.invalid();
    // A cut character is a valid beginning: the decoder asks for more instead of refusing it.
    let is_cut = std::str::from_utf8(start).is_err_and(|error| error.error_len().is_none());
    if is_cut { &bytes[..bytes.len() - start.len()] } else { bytes }
}

/// Without the rest of a character that was cut in its middle at the start.
fn without_cut_start(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|&&byte| byte & 0b1100_0000 == 0b1000_0000).count();
    &bytes[rest..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(limit_bytes: usize, pieces: &[&[u8]]) -> HeadTail {
        let mut output = HeadTail::new(limit_bytes);
        for piece in pieces {
            output.push(piece);
        }
        output
    }

    #[test]
    fn output_within_the_limit_is_kept_whole() {
        let output = kept(10, &[b"01234", b"56789"]);
        assert_eq!(output.text(), "0123456789");
        assert_eq!((output.pushed_bytes(), output.left_out_bytes()), (10, 0));
    }

    #[test]
    fn head_and_tail_are_kept_with_a_line_about_the_rest() {
        let output = kept(8, &[b"head....", b"....", b"tail"]);
        assert_eq!(output.text(), "head\n[8 bytes left out]\ntail");
        assert_eq!(kept(8, &[b"abc\n....tail"]).text(), "abc\n[4 bytes left out]\ntail");
    }

    #[test]
    fn characters_cut_at_the_seam_are_left_out_whole() {
        let output = kept(8, "aaaé....éaaa".as_bytes().chunks(1).collect::<Vec<_>>().as_slice());
        assert_eq!(output.text(), "aaa\n[8 bytes left out]\naaa");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_not_taken_for_cut_ones() {
        assert_eq!(kept(64, &[b"a\xffb"]).text(), "a\u{fffd}b");
        assert_eq!(kept(4, &[b"a\xff......"]).text(), "a\u{fffd}\n[4 bytes left out]\n..");
    }

    #[test]
    fn limit_of_nothing_keeps_nothing() {
        assert_eq!(kept(0, &[b"abc"]).text(), "[3 bytes left out]\n");
        assert_eq!(kept(0, &[]).text(), "");
    }

    proptest! {
        #[test]
        fn kept_bytes_are_the_ends_of_all_bytes_and_memory_stays_within_the_limit(
            pieces in proptest::collection::vec(proptest::collection::vec(b'a'..=b'z', 0..40), 0..20),
            limit_bytes in 0_usize..64,
        ) {
            let mut output = HeadTail::new(limit_bytes);
            for piece in &pieces {
                output.push(piece);
                prop_assert!(output.head.capacity() + output.tail.capacity() <= limit_bytes);
            }
            let whole = String::from_utf8(pieces.concat()).unwrap();
            let left_out = whole.len().saturating_sub(limit_bytes);
            prop_assert_eq!(output.left_out_bytes(), left_out as u64);
            if left_out == 0 {
                prop_assert_eq!(output.text(), whole);
            } else {
                let head = &whole[..limit_bytes / 2];
                let tail = &whole[whole.len() - (limit_bytes - limit_bytes / 2)..];
                let line_feed = if head.is_empty() { "" } else { "\n" };
                prop_assert_eq!(output.text(), format!("{head}{line_feed}[{left_out} bytes left out]\n{tail}"));
            }
        }
    }
}
