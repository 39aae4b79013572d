//! Lines of a stream, each of bounded length.
//!
//! Owns the cutting of bytes into lines. Promises to hold never more than one line of the limit and one buffer,
//! and to go on behind a line that is too long. Never fails on bytes that are not UTF-8.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::output::append;

/// How much is asked of the stream at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// One line, without its line feed (and the carriage return before it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The text; bytes that are not UTF-8 are replaced.
    Text(String),
    /// A line of `bytes` bytes, more than the limit, which was skipped.
    TooLong { bytes: u64 },
}

/// Reads lines of at most `max_bytes`.
#[derive(Debug)]
pub struct BoundedLines<R> {
    reader: BufReader<R>,
    max_bytes: usize,
    line: Vec<u8>,
    /// Length of the line so far, held or not.
    length: u64,
}

impl<R: AsyncRead + Unpin> BoundedLines<R> {
    /// Lines of `reader`; the limit does not count the line's end.
    pub fn new(reader: R, max_bytes: usize) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        Self { reader, max_bytes, line: Vec::new(), length: 0 }
    }

    /// The next line; none at the end. A last line needs no line feed. May be dropped and called again.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok((self.length > 0).then(|| self.finish()));
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            self.length += part.len() as u64;
            // One byte more than the limit, for it may turn out to be the carriage return.
            let held_bytes = self.max_bytes.saturating_add(1);
            if self.length <= held_bytes as u64 {
                append(&mut self.line, part, held_bytes);
            } else {
                self.line = Vec::new();
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn finish(&mut self) -> Line {
        let mut bytes = std::mem::take(&mut self.line);
        let mut length = std::mem::take(&mut self.length);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
            length -= 1;
        }
        if length > self.max_bytes as u64 {
            return Line::TooLong { bytes: length };
        }
        Line::Text(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn text(text: &str) -> Line {
        Line::Text(text.to_owned())
    }

    async fn all(bytes: &[u8], max_bytes: usize) -> Vec<Line> {
        let mut lines = BoundedLines::new(bytes, max_bytes);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(line);
        }
        found
    }

    #[tokio::test]
    async fn lines_end_with_either_kind_of_line_end_and_the_last_needs_none() {
        assert_eq!(
            all(b"one\ntwo\r\n\n\r\nlast", 8).await,
            [text("one"), text("two"), text(""), text(""), text("last")]
        );
        assert_eq!(all(b"", 8).await, []);
    }

    #[tokio::test]
    async fn line_of_exactly_the_limit_is_text_and_one_more_is_too_long() {
        let found = all(b"12345678\n12345678\r\n123456789\nnext\n", 8).await;
        assert_eq!(found, [text("12345678"), text("12345678"), Line::TooLong { bytes: 9 }, text("next")]);
    }

    #[tokio::test]
    async fn stream_goes_on_behind_a_long_line_that_was_not_held() {
        let long = 20 * 1024 * 1024;
        let (mut near, far) = tokio::io::duplex(1024 * 1024);
        let writing = tokio::spawn(async move {
            for _ in 0..long / 4096 {
                near.write_all(&[b'x'; 4096]).await.unwrap();
            }
            near.write_all(b"\n{\"ok\":true}\nunfinished too").await.unwrap();
        });
        let mut lines = BoundedLines::new(far, 16);

        assert_eq!(lines.next().await.unwrap(), Some(Line::TooLong { bytes: long }));
        assert!(lines.line.capacity() <= 16);
        assert_eq!(lines.next().await.unwrap(), Some(text("{\"ok\":true}")));
        assert_eq!(lines.next().await.unwrap(), Some(text("unfinished too")));
        assert_eq!(lines.next().await.unwrap(), None);
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn unfinished_long_line_at_the_end_is_told() {
        assert_eq!(all(b"123456789", 8).await, [Line::TooLong { bytes: 9 }]);
    }

    #[tokio::test]
    async fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(all(b"a\xffb\n", 8).await, [text("a\u{fffd}b")]);
    }

    #[tokio::test]
    async fn dropped_wait_loses_nothing() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut lines = BoundedLines::new(far, 64);
        near.write_all(b"first half, ").await.unwrap();
        tokio::select! {
            biased;
            _ = lines.next() => panic!("there is no whole line yet"),
            () = tokio::task::yield_now() => {}
        }
        near.write_all(b"second half\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(text("first half, second half")));
    }

    proptest! {
        #[test]
        fn whatever_pieces_arrive_the_lines_are_those_of_the_whole(
            lines in proptest::collection::vec("[a-z]{0,24}", 0..12),
            max_bytes in 0_usize..24,
            piece in 1_usize..40,
        ) {
            let joined: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let expected: Vec<Line> = lines
                .iter()
                .map(|line| match line.len() <= max_bytes {
                    true => text(line),
                    false => Line::TooLong { bytes: line.len() as u64 },
                })
                .collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(async {
                let (mut near, far) = tokio::io::duplex(piece);
                let writing = tokio::spawn(async move { near.write_all(joined.as_bytes()).await });
                let mut reader = BoundedLines::new(far, max_bytes);
                let mut found = Vec::new();
                while let Some(line) = reader.next().await.unwrap() {
                    found.push(line);
                }
                writing.await.unwrap().unwrap();
                found
            });
            prop_assert_eq!(found, expected);
        }
    }
}
