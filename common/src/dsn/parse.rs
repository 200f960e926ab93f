//! The grammar of a DSN. What goes wrong names field and place; the text itself is never repeated unless it is
//! a word of the grammar, since a mistyped DSN may show its password in any field.

use std::collections::BTreeMap;

use super::{Driver, DriverParam, Dsn, DsnError, Host, OptionParams, Transport, percent};
use crate::options;
use crate::secret::{Secret, SecretRef, SecretValue};

const FORM: &str = "write `<driver>[+<protocol>]://[user[:password]@]host[:port][/database][?name=value&…]`";
const ENCODE: &str =
    "in a user or a password write `@` as %40, `/` as %2F, `?` as %3F, `#` as %23, `%` as %25";
/// TDengine 3.x's limit for the name of a database; 2.x has 32.
const MAX_DATABASE_BYTES: usize = 64;
/// Longer than any DSN with all its options; keeps a file passed by mistake out.
const MAX_DSN_BYTES: usize = 64 * 1024;

pub(super) fn parse(text: &str) -> Result<(Dsn, OptionParams), DsnError> {
    if text.len() > MAX_DSN_BYTES {
        return Err(DsnError::new("DSN", format!("longer than {MAX_DSN_BYTES} bytes"))
            .help("name long lists of tables in a file, as `tables=@file`"));
    }
    let whole = Piece { whole: text, start: 0, end: text.len() };
    let (driver, rest) = whole.split_at("://").ok_or_else(|| whole.error("driver", "no `://`").help(FORM))?;
    let driver = parse_driver(driver)?;
    let (location, query) = rest.cut(&['?']);
    let (authority, path) = location.cut(&['/']);
    if !authority.has_at() && path.is_some_and(Piece::has_at) {
        return Err(authority.error("password", "an unencoded `/` before the `@`").help(ENCODE));
    }
    let (login, hosts) = authority.split_last_at();
    let (user, password) = login.map_or(Ok((None, None)), parse_login)?;
    let mut dsn = Dsn {
        driver,
        user,
        password,
        token: None,
        hosts: hosts.split(',').map(parse_host).collect::<Result<_, _>>()?,
        database: path.map(parse_database).transpose()?.flatten(),
        params: BTreeMap::new(),
    };
    let options = query.map_or(Ok(OptionParams::new()), |query| parse_params(&mut dsn, query))?;
    Ok((dsn, options))
}

/// A stretch of the DSN that knows where it stands, for errors.
#[derive(Clone, Copy)]
struct Piece<'a> {
    whole: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Piece<'a> {
    fn text(self) -> &'a str {
        &self.whole[self.start..self.end]
    }

    fn error(self, field: &str, what: impl Into<String>) -> DsnError {
        DsnError::new(field, what).at(self.whole[..self.start].chars().count() + 1)
    }

    /// The parts before and after the first `separator`.
    fn split_at(self, separator: &str) -> Option<(Self, Self)> {
        let at = self.start + self.text().find(separator)?;
        Some((Self { end: at, ..self }, Self { start: at + separator.len(), ..self }))
    }

    /// The parts before and after the first of these characters that stands outside of a reference `${…}`.
    fn cut(self, separators: &[char]) -> (Self, Option<Self>) {
        match self.outside_references().find(|(_, c)| separators.contains(c)) {
            Some((at, c)) => (Self { end: at, ..self }, Some(Self { start: at + c.len_utf8(), ..self })),
            None => (self, None),
        }
    }

    fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (first, others) = rest?.cut(&[separator]);
            rest = others;
            Some(first)
        })
    }

    /// Login and hosts: the last `@` divides them, so that an unencoded one in a password still works.
    fn split_last_at(self) -> (Option<Self>, Self) {
        match self.outside_references().filter(|(_, c)| *c == '@').last() {
            Some((at, _)) => (Some(Self { end: at, ..self }), Self { start: at + 1, ..self }),
            None => (None, self),
        }
    }

    fn has_at(self) -> bool {
        self.outside_references().any(|(_, c)| c == '@')
    }

    /// Characters with their places in the whole, those inside of `${…}` left out.
    fn outside_references(self) -> impl Iterator<Item = (usize, char)> + 'a {
        let mut inside = false;
        let text = self.text();
        text.char_indices().filter_map(move |(at, c)| {
            inside |= text[at..].starts_with("${") && text[at..].contains('}');
            let outside = !inside;
            inside &= c != '}';
            outside.then_some((self.start + at, c))
        })
    }

    fn decode(self, field: &str) -> Result<String, DsnError> {
        percent::decode(self.text()).map_err(|what| self.error(field, what).help(ENCODE))
    }

    /// A secret: a reference, or its value percent-encoded; nothing when empty.
    fn secret(self, field: &str) -> Result<Option<SecretValue>, DsnError> {
        let text = self.text();
        if text.starts_with("${") {
            let reference: SecretRef = text
                .parse()
                .map_err(|err: crate::secret::BadSecretRef| self.error(field, err.to_string()))?;
            return Ok(Some(SecretValue::Ref(reference)));
        }
        let value = self.decode(field)?;
        Ok((!value.is_empty()).then(|| SecretValue::Clear(Secret::new(value))))
    }
}

fn parse_driver(piece: Piece<'_>) -> Result<Driver, DsnError> {
    Driver::from_spelling(piece.text()).ok_or_else(|| {
        let known = Driver::ALL.map(Driver::as_str).join(", ");
        piece.error("driver", format!("not one of {known}")).help(FORM)
    })
}

fn parse_login(login: Piece<'_>) -> Result<(Option<String>, Option<SecretValue>), DsnError> {
    if login.text().starts_with("${") {
        return Err(login
            .error("user", "a reference can stand only in the place of a password or token")
            .help("write the user's name, then `:` and the reference"));
    }
    let (user, password) = login.cut(&[':']);
    let user = user.decode("user")?;
    let password = password.map_or(Ok(None), |password| password.secret("password"))?;
    Ok(((!user.is_empty()).then_some(user), password))
}

fn parse_host(piece: Piece<'_>) -> Result<Host, DsnError> {
    const BRACKETS: &str = "write an IPv6 address in brackets, as `[::1]:6041`";
    let text = piece.text();
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) =
                rest.split_once(']').ok_or_else(|| piece.error("host", "no `]`").help(BRACKETS))?;
            name.parse::<std::net::Ipv6Addr>().map_err(|_| {
                piece.error("host", "not an IPv6 address between the brackets").help(BRACKETS)
            })?;
            (name, port)
        }
        None if text.matches(':').count() > 1 => {
            return Err(piece.error("host", "more than one `:`").help(BRACKETS));
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if name.is_empty() {
        return Err(piece.error("host", "no host").help("name the server, as `host:6041`"));
    }
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if !name.chars().all(is_host) {
        return Err(piece.error("host", "a character that no host has").help(ENCODE));
    }
    Ok(Host { name: name.to_owned(), port: parse_port(piece, port)? })
}

/// `after` is what follows the host: nothing, or `:` and a number. The text is not repeated: in
/// `taos://root:secret/db`, where the host was forgotten, it is the password.
fn parse_port(host: Piece<'_>, after: &str) -> Result<Option<u16>, DsnError> {
    if after.is_empty() {
        return Ok(None);
    }
    let port = after.strip_prefix(':').and_then(|digits| digits.parse().ok()).filter(|port| *port > 0u16);
    port.map(Some).ok_or_else(|| {
        host.error("port", "what follows the host is not `:` and a number from 1 to 65535").help(
            "write `user:password@host:port`, with `@`, `/`, `?`, `#` and `%` in a password percent-encoded",
        )
    })
}

/// The client takes the name as it stands and unquoted, so only names that need neither encoding nor quotes work.
fn parse_database(piece: Piece<'_>) -> Result<Option<String>, DsnError> {
    let name = piece.decode("database")?;
    if name.len() > MAX_DATABASE_BYTES {
        return Err(piece.error("database", format!("a name longer than {MAX_DATABASE_BYTES} bytes")));
    }
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$')) {
        return Err(piece
            .error("database", "a character that no name of a database has")
            .help("write `/database` after the host, only letters, digits and `_`"));
    }
    Ok((!name.is_empty()).then_some(name))
}

/// Puts the connection's own parameters into the DSN; returns the task's options.
fn parse_params(dsn: &mut Dsn, query: Piece<'_>) -> Result<OptionParams, DsnError> {
    let mut options = OptionParams::new();
    for piece in query.split('&').filter(|piece| !piece.text().is_empty()) {
        let (name, value) = piece.cut(&['=']);
        let value = value.unwrap_or(Piece { start: piece.end, ..piece });
        match Param::named(name)? {
            Param::Token => set_token(dsn, name, value)?,
            Param::Driver(param) => set_param(dsn, param, name, value)?,
            Param::Task(option) => {
                let text = value.decode(option)?;
                if options.insert(option.to_owned(), text).is_some() {
                    return Err(name.error(option, "named twice").help("leave one of them out"));
                }
            }
        }
    }
    Ok(options)
}

enum Param {
    Token,
    Driver(DriverParam),
    Task(&'static str),
}

impl Param {
    fn named(piece: Piece<'_>) -> Result<Self, DsnError> {
        let name = piece.decode("parameters")?;
        if name.eq_ignore_ascii_case("token") {
            return Ok(Self::Token);
        }
        let driver = DriverParam::ALL.into_iter().find(|param| options::same_word(param.as_str(), &name));
        if let Some(param) = driver {
            return Ok(Self::Driver(param));
        }
        options::canonical(&name).map(Self::Task).ok_or_else(|| unknown(piece, &name))
    }
}

fn unknown(piece: Piece<'_>, name: &str) -> DsnError {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_word || name.is_empty() || name.len() > options::MAX_KEY_BYTES {
        return piece.error("parameters", "something that is not `name=value`").help(ENCODE);
    }
    let known = options::keys().chain(DriverParam::ALL.map(DriverParam::as_str)).chain(["token"]);
    piece.error("parameters", options::unknown_word(name, known))
}

fn set_token(dsn: &mut Dsn, name: Piece<'_>, value: Piece<'_>) -> Result<(), DsnError> {
    if dsn.transport() == Transport::Native {
        return Err(name
            .error("token", "a native connection takes no token")
            .help("write `taos+ws://` or `taos+wss://`, or use user and password"));
    }
    if dsn.token.is_some() {
        return Err(name.error("token", "named twice").help("leave one of them out"));
    }
    dsn.token = value.secret("token")?;
    Ok(())
}

fn set_param(dsn: &mut Dsn, param: DriverParam, name: Piece<'_>, value: Piece<'_>) -> Result<(), DsnError> {
    let field = param.as_str();
    if !param.fits(dsn.transport()) {
        let (what, help) = match dsn.transport() {
            Transport::Native => ("a native connection has no such parameter", "leave it out"),
            Transport::WebSocket { .. } => {
                ("a WebSocket connection loads no library", "leave it out, or write `taos://`")
            }
        };
        return Err(name.error(field, what).help(help));
    }
    let text = value.decode(field)?;
    match dsn.params.insert(param, text) {
        Some(_) => Err(name.error(field, "named twice").help("leave one of them out")),
        None => Ok(()),
    }
}
