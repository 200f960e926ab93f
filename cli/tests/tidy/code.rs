//! Rust text with its comments and the insides of its strings blanked out, and the strings apart.
//!
//! Every byte stays where it was, so that a place in the code is a place in the file.

/// A file's code.
pub(crate) struct Code {
    /// The text with blanks for comments and strings; the quotes stay.
    pub(crate) text: String,
    /// Where each string's first quote stands, and what is inside.
    pub(crate) strings: Vec<(usize, String)>,
}

impl Code {
    pub(crate) fn of(source: &str) -> Self {
        let mut reader = Reader { source: source.as_bytes(), blank: source.as_bytes().to_vec(), at: 0 };
        let mut strings = Vec::new();
        while reader.at < reader.source.len() {
            if let Some((quote, inside)) = reader.step() {
                let text = String::from_utf8_lossy(&reader.source[inside]).into_owned();
                strings.push((quote, text));
            }
        }
        Self { text: String::from_utf8_lossy(&reader.blank).into_owned(), strings }
    }

    /// Identifiers and where they start.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (usize, &str)> {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let mut from = None;
        self.text.char_indices().chain([(self.text.len(), ' ')]).filter_map(move |(at, c)| {
            match (from, inside(c)) {
                (None, true) => from = Some(at),
                (Some(start), false) => {
                    from = None;
                    return Some((start, &self.text[start..at]));
                }
                _ => {}
            }
            None
        })
    }

    /// Whether an identifier stands right before `::` or after `use`, as the name of a crate or module does.
    pub(crate) fn is_path(&self, at: usize, name: &str) -> bool {
        let after = self.text[at + name.len()..].trim_start();
        let before = self.text[..at].trim_end();
        after.starts_with("::") || before.ends_with("use") || before.ends_with("::")
    }
}

struct Reader<'a> {
    source: &'a [u8],
    blank: Vec<u8>,
    at: usize,
}

impl Reader<'_> {
    /// Passes one token; a string's place if it was one.
    fn step(&mut self) -> Option<(usize, std::ops::Range<usize>)> {
        let rest = &self.source[self.at..];
        match rest {
            [b'/', b'/', ..] => self.erase(self.end_of(b"\n", self.at)),
            [b'/', b'*', ..] => self.erase(self.end_of(b"*/", self.at) + 2),
            [b'r', b'"' | b'#', ..] if !self.follows_word() => return self.raw_string(),
            [b'"', ..] => return Some(self.string()),
            [b'\'', ..] => self.character(),
            _ => self.at += 1,
        }
        None
    }

    fn string(&mut self) -> (usize, std::ops::Range<usize>) {
        let quote = self.at;
        self.at += 1;
        while self.at < self.source.len() && self.source[self.at] != b'"' {
            self.at += if self.source[self.at] == b'\\' { 2 } else { 1 };
        }
        let inside = quote + 1..self.at.min(self.source.len());
        self.blank(inside.clone());
        self.at += 1;
        (quote, inside)
    }

    fn raw_string(&mut self) -> Option<(usize, std::ops::Range<usize>)> {
        let hashes = self.source[self.at + 1..].iter().take_while(|byte| **byte == b'#').count();
        let quote = self.at + 1 + hashes;
        if self.source.get(quote) != Some(&b'"') {
            self.at += 1; // a raw identifier
            return None;
        }
        let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
        let inside = quote + 1..self.end_of(&close, quote + 1);
        self.blank(inside.clone());
        self.at = inside.end + close.len();
        Some((quote, inside))
    }

    /// A character, or the tick of a lifetime.
    fn character(&mut self) {
        let rest = &self.source[self.at + 1..];
        let length = match rest {
            [b'\\', ..] => rest.iter().skip(2).position(|byte| *byte == b'\'').map(|at| at + 2),
            _ => rest.iter().take(5).position(|byte| *byte == b'\'').filter(|at| self.is_one_char(*at)),
        };
        match length {
            Some(length) => {
                self.blank(self.at + 1..self.at + 1 + length);
                self.at += length + 2;
            }
            None => self.at += 1,
        }
    }

    fn is_one_char(&self, length: usize) -> bool {
        let inside = &self.source[self.at + 1..self.at + 1 + length];
        std::str::from_utf8(inside).is_ok_and(|text| text.chars().count() == 1)
    }

    fn follows_word(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.source[at]);
        before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    fn end_of(&self, wanted: &[u8], from: usize) -> usize {
        let found = self.source[from..].windows(wanted.len()).position(|window| window == wanted);
        found.map_or(self.source.len(), |found| from + found)
    }

    fn erase(&mut self, to: usize) {
        let to = to.min(self.source.len());
        self.blank(self.at..to);
        self.at = to;
    }

    fn blank(&mut self, range: std::ops::Range<usize>) {
        for byte in &mut self.blank[range] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
}

#[test]
fn comments_and_strings_are_no_code() {
    let source = r##"let a = "x // \" y"; // Job /* */
let b = r#"a " b"#; let c = '"'; fn f<'a>(d: &'a str) {} /* Job */ let e = '\'';"##;
    let code = Code::of(source);
    assert_eq!(code.text.len(), source.len());
    assert!(!code.text.contains("Job"), "{}", code.text);
    let strings: Vec<_> = code.strings.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(strings, [r#"x // \" y"#, "a \" b"]);
    let words: Vec<_> = code.identifiers().map(|(_, word)| word).collect();
    assert_eq!(words, ["let", "a", "let", "b", "r", "let", "c", "fn", "f", "a", "d", "a", "str", "let", "e"]);
}
