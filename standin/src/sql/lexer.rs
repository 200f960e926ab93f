//! Text to tokens, one at a time and without copying: a token is a slice of the statement.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare word: a keyword or an identifier, to be folded to lower case.
    Word,
    /// An identifier in backticks, to be taken as it is.
    Quoted,
    /// A number, perhaps with a unit behind it (`1d`, `500a`).
    Number,
    /// The inside of a quoted text, escapes not yet resolved.
    Text,
    /// Punctuation: one character, or one of `<=` `>=` `<>` `!=` `->`.
    Punct,
    /// The end of the statement.
    End,
    /// Something no statement holds.
    Bad,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it starts, quotes included.
    pub(crate) at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    pub(crate) fn sql(&self) -> &'a str {
        self.sql
    }

    pub(crate) fn next_token(&mut self) -> Token<'a> {
        let bytes = self.sql.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let start = self.at;
        let Some(&first) = bytes.get(start) else { return self.token(Kind::End, start, start) };
        match first {
            b'`' | b'\'' | b'"' => self.quoted(first),
            b'0'..=b'9' => self.number(),
            b'.' if bytes.get(start + 1).is_some_and(u8::is_ascii_digit) => self.number(),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.skip(is_word);
                self.token(Kind::Word, start, self.at)
            }
            _ if first.is_ascii() => self.punct(),
            _ => {
                self.at = bytes.len();
                self.token(Kind::Bad, start, self.at)
            }
        }
    }

    fn token(&self, kind: Kind, from: usize, to: usize) -> Token<'a> {
        Token { kind, text: self.sql.get(from..to).unwrap_or(""), at: from }
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        let bytes = self.sql.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| belongs(*byte)) {
            self.at += 1;
        }
    }

    fn quoted(&mut self, quote: u8) -> Token<'a> {
        let start = self.at;
        let kind = if quote == b'`' { Kind::Quoted } else { Kind::Text };
        let bytes = self.sql.as_bytes();
        let mut at = start + 1;
        while let Some(&byte) = bytes.get(at) {
            let doubled = byte == quote && bytes.get(at + 1) == Some(&quote);
            if doubled || (byte == b'\\' && kind == Kind::Text) {
                at += 2;
            } else if byte == quote {
                self.at = at + 1;
                return Token { at: start, ..self.token(kind, start + 1, at) };
            } else {
                at += 1;
            }
        }
        self.at = bytes.len();
        self.token(Kind::Bad, start, self.at)
    }

    fn number(&mut self) -> Token<'a> {
        let start = self.at;
        let bytes = self.sql.as_bytes();
        self.skip(|byte| byte.is_ascii_digit());
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.skip(|byte| byte.is_ascii_digit());
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(self.at + 1), Some(b'+' | b'-')));
            if bytes.get(self.at + 1 + sign).is_some_and(u8::is_ascii_digit) {
                self.at += 1 + sign;
            }
        }
        self.skip(is_word);
        self.token(Kind::Number, start, self.at)
    }

    fn punct(&mut self) -> Token<'a> {
        let start = self.at;
        let pair = self.sql.as_bytes().get(start..start + 2);
        let long = matches!(pair, Some(b"<=" | b">=" | b"<>" | b"!=" | b"->"));
        self.at += if long { 2 } else { 1 };
        self.token(Kind::Punct, start, self.at)
    }
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_their_text_and_kind() {
        let mut lexer = Lexer::new("sElect `a``b`, 'it''s \\' ok' >= -1.5e+3 10d x->'k' \"q\" .5 表");
        let mut seen = Vec::new();
        loop {
            let token = lexer.next_token();
            if token.kind == Kind::End {
                break;
            }
            seen.push((token.kind, token.text));
        }
        let want = [
            (Kind::Word, "sElect"),
            (Kind::Quoted, "a``b"),
            (Kind::Punct, ","),
            (Kind::Text, "it''s \\' ok"),
            (Kind::Punct, ">="),
            (Kind::Punct, "-"),
            (Kind::Number, "1.5e+3"),
            (Kind::Number, "10d"),
            (Kind::Word, "x"),
            (Kind::Punct, "->"),
            (Kind::Text, "k"),
            (Kind::Text, "q"),
            (Kind::Number, ".5"),
            (Kind::Bad, "表"),
        ];
        assert_eq!(seen, want);
    }

    #[test]
    fn an_unclosed_quote_is_bad_and_ends_the_statement() {
        for sql in ["'abc", "`abc", "'abc\\", "\"a'"] {
            let mut lexer = Lexer::new(sql);
            assert_eq!(lexer.next_token().kind, Kind::Bad, "{sql}");
            assert_eq!(lexer.next_token().kind, Kind::End, "{sql}");
        }
    }
}
