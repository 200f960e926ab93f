//! What a DSN may look like, what it is taken apart into, and what is said about one that is wrong.

use proptest::prelude::*;

use super::*;
use crate::secret::{Secret, SecretRef, Secrets};

fn parse(text: &str) -> Dsn {
    Dsn::parse(text).unwrap_or_else(|err| panic!("{text}: {err}")).0
}

fn refusal(text: &str) -> DsnError {
    Dsn::parse(text).expect_err(text)
}

fn no_secrets() -> Secrets {
    Secrets::with_env(|_| None)
}

fn client_text(text: &str) -> String {
    parse(text).to_client_string(&no_secrets()).unwrap().expose().to_owned()
}

#[test]
fn every_part_is_taken_apart() {
    let dsn = parse("taos+ws://root:p%40ss@h1:6041,h2/power?token=abc&compression=true");
    assert_eq!(dsn.driver(), Driver::TaosWs);
    assert_eq!(dsn.transport(), Transport::WebSocket { tls: false });
    assert_eq!((dsn.user(), dsn.database()), (Some("root"), Some("power")));
    assert_eq!(dsn.password, Some(SecretValue::Clear(Secret::new("p@ss"))));
    assert_eq!(dsn.token, Some(SecretValue::Clear(Secret::new("abc"))));
    assert_eq!(
        dsn.hosts(),
        [Host { name: "h1".into(), port: Some(6041) }, Host { name: "h2".into(), port: None }]
    );
    assert_eq!(dsn.param(DriverParam::Compression), Some("true"));
}

#[test]
fn every_driver_is_read_whatever_its_case_and_has_a_port_of_its_own() {
    for (driver, transport, port) in [
        ("taos", Transport::Native, 6030),
        ("taos+ws", Transport::WebSocket { tls: false }, 6041),
        ("TAOS+WSS", Transport::WebSocket { tls: true }, 443),
        ("ws", Transport::WebSocket { tls: false }, 6041),
        ("wss", Transport::WebSocket { tls: true }, 443),
        ("HTTP", Transport::WebSocket { tls: false }, 6041),
        ("https", Transport::WebSocket { tls: true }, 443),
    ] {
        let dsn = parse(&format!("{driver}://h"));
        assert_eq!((dsn.transport(), dsn.address()), (transport, format!("h:{port}")), "{driver}");
    }
}

#[test]
fn an_ipv6_host_stands_in_brackets_with_or_without_a_port() {
    for (text, name, port) in
        [("ws://[::1]:6041/d", "::1", Some(6041)), ("ws://u:p@[fe80::2]", "fe80::2", None)]
    {
        let dsn = parse(text);
        assert_eq!(dsn.hosts(), [Host { name: name.into(), port }]);
        assert!(dsn.address().starts_with(&format!("[{name}]:")), "{}", dsn.address());
    }
}

#[test]
fn an_ipv6_host_goes_to_the_client_in_parts_only() {
    let dsn = parse("ws://[::1]:6041/d");
    assert!(matches!(dsn.to_client_string(&no_secrets()), Err(ClientDsnError::Ipv6(_))));
    assert_eq!(dsn.to_client(&no_secrets()).unwrap().hosts[0].to_string(), "[::1]:6041");
}

#[test]
fn references_stand_for_passwords_and_tokens_and_are_kept_as_written() {
    let text = "ws://root:${file:/run/p@ss?/a}@h/d?token=${env:TOKEN}";
    let dsn = parse(text);
    assert_eq!(dsn.password, Some(SecretValue::Ref(SecretRef::File("/run/p@ss?/a".into()))));
    assert_eq!(dsn.token, Some(SecretValue::Ref(SecretRef::Env("TOKEN".into()))));
    assert_eq!(dsn.to_string(), text);
}

#[test]
fn references_are_looked_up_for_the_client_only() {
    let dsn = parse("taos+ws://root:${env:PW}@h:6041/d");
    let secrets = Secrets::with_env(|name| (name == "PW").then(|| "a/b@c~".to_owned()));
    assert_eq!(dsn.to_client_string(&secrets).unwrap().expose(), "taos+ws://root:a%2Fb%40c%7E@h:6041/d");
    let err = dsn.to_client_string(&no_secrets()).unwrap_err().to_string();
    assert!(err.contains("${env:PW}"), "{err}");
}

#[test]
fn options_of_the_task_are_handed_back_apart_by_their_canonical_names() {
    let (dsn, options) =
        Dsn::parse("taos://h/d?mode=history&restro=5m&Max_Sql_Length=9&start=2024-01-01T00:00:00%2B08:00&end=2024-02-01T00:00:00+08:00&libraryPath=/l.so&update-tags").unwrap();
    let options: Vec<_> = options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        options,
        [
            ("end", "2024-02-01T00:00:00+08:00"),
            ("max-sql-length", "9"),
            ("mode", "history"),
            ("retro", "5m"),
            ("start", "2024-01-01T00:00:00+08:00"),
            ("update-tags", ""),
        ]
    );
    assert_eq!(dsn.param(DriverParam::LibraryPath), Some("/l.so"));
}

#[test]
fn a_dsn_alone_takes_no_options_of_a_task() {
    assert!(
        "ws://h/d?unit=1d".parse::<Dsn>().unwrap_err().to_string().contains("`unit` is an option of a task")
    );
}

#[test]
fn the_client_gets_ports_and_its_own_encoding() {
    assert_eq!(client_text("taos://h/d"), "taos://h:6030/d");
    assert_eq!(client_text("ws://a,b:1/d"), "ws://a:6041,b:1/d");
    assert_eq!(client_text("http://u@h"), "http://u@h:6041");
    assert_eq!(
        client_text("taos://u:p w@h/d?configDir=/etc/a b&libraryPath=/l"),
        "taos://u:p%20w@h:6030/d?configDir=%2Fetc%2Fa%20b&libraryPath=%2Fl"
    );
    assert_eq!(client_text("wss://h/d?token=a%26b"), "wss://h:443/d?token=a%26b");
}

#[test]
fn a_wrong_dsn_is_answered_with_field_place_and_what_to_do() {
    for (text, start, hint) in [
        ("", "driver (character 1): no `://`", "write `<driver>"),
        ("h:6030/d", "driver (character 1): no `://`", "write `<driver>"),
        ("mysql://h", "driver (character 1): not one of taos, taos+ws", ""),
        ("ws://", "host (character 6): no host", "name the server"),
        ("ws://a,,b", "host (character 8): no host", ""),
        ("ws://root:pw@/d", "host (character 14): no host", ""),
        ("ws://h:0/d", "port (character 6)", "1 to 65535"),
        ("ws://h:65536/d", "port (character 6)", "1 to 65535"),
        ("ws://h:x/d", "port (character 6)", "percent-encoded"),
        ("ws://::1/d", "host (character 6): more than one `:`", "brackets"),
        ("ws://[::1/d", "host (character 6): no `]`", "brackets"),
        ("ws://[h]/d", "host (character 6): not an IPv6", "brackets"),
        ("ws://涛:a%zz@h/d", "password (character 8): a `%` without", "%25"),
        ("ws://u:%ff@h/d", "password (character 8): its percent-encoding", ""),
        ("ws://u:a%0Ab@h/d", "password (character 8): a control character", ""),
        ("ws://u:a/b@h/d", "password (character 6): an unencoded `/`", "%2F"),
        ("ws://u:${vault:x}@h", "password (character 8): the reference is of an unknown kind", "${env:NAME}"),
        ("ws://u:${env:x@h", "password (character 8): not a reference", "${env:NAME}"),
        ("ws://${env:U}:p@h", "user (character 6)", "write the user's name"),
        ("ws://h/a.b", "database (character 8): a character", "letters, digits"),
        ("ws://h/d?modes=x", "parameters (character 10): `modes` is not known", "did you mean `mode`?"),
        ("ws://h/d?libary-path=x", "parameters (character 10)", "did you mean `libraryPath`?"),
        ("ws://h/d?colour=x", "parameters (character 10)", "there is mode, schema"),
        ("ws://h/d?unit=1d&mode=a&unit=2d", "unit (character 25): named twice", "leave one"),
        ("ws://h/d?token=1&token=2", "token (character 18): named twice", "leave one"),
        ("taos://h/d?token=1", "token (character 12): a native connection", "taos+ws://"),
        ("ws://h/d?libraryPath=/l", "libraryPath (character 10): a WebSocket", "taos://"),
        ("taos://h/d?conn_mode=1", "conn_mode (character 12): a native", "leave it out"),
    ] {
        let shown = refusal(text).to_string();
        assert!(shown.starts_with(start) && shown.contains(hint), "{text}: {shown}");
    }
}

#[test]
fn a_database_name_longer_than_any_server_takes_is_refused() {
    assert!(Dsn::parse(&format!("ws://h/{}", "d".repeat(64))).is_ok());
    assert_eq!(refusal(&format!("ws://h/{}", "d".repeat(65))).field, "database");
}

#[test]
fn a_file_passed_by_mistake_is_refused_by_its_length() {
    assert_eq!(refusal(&"x".repeat(64 * 1024 + 1)).field, "DSN");
}

fn driver() -> impl Strategy<Value = Driver> {
    prop::sample::select(Driver::ALL.to_vec())
}

fn host() -> impl Strategy<Value = Host> {
    let name = prop_oneof![
        "[a-z0-9_-]{1,8}(\\.[a-z0-9]{1,5}){0,2}",
        any::<std::net::Ipv6Addr>().prop_map(|a| a.to_string())
    ];
    (name, prop::option::of(1u16..)).prop_map(|(name, port)| Host { name, port })
}

fn secret_ref() -> impl Strategy<Value = SecretRef> {
    prop_oneof![
        "[A-Za-z0-9_.-]{1,12}".prop_map(SecretRef::Env),
        "[A-Za-z0-9_.-]{1,12}".prop_map(SecretRef::Memory),
        "/[a-z0-9 @:?&=#/,.]{1,20}".prop_map(|path| SecretRef::File(path.into())),
    ]
}

prop_compose! {
    fn storable()(
        driver in driver(),
        user in prop::option::of("[^\\pC]{1,10}"),
        password in prop::option::of(secret_ref()),
        token in prop::option::of(secret_ref()),
        hosts in prop::collection::vec(host(), 1..4),
        database in prop::option::of("[a-z0-9_$-]{1,20}"),
        config_dir in prop::option::of("[^\\pC]{1,20}"),
    ) -> Dsn {
        let native = driver.transport() == Transport::Native;
        let params = config_dir.filter(|_| native).map(|dir| (DriverParam::ConfigDir, dir));
        Dsn {
            driver, user, hosts, database,
            password: password.map(SecretValue::Ref),
            token: token.filter(|_| !native).map(SecretValue::Ref),
            params: params.into_iter().collect(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_with_references_is_read_back_the_same(dsn in storable()) {
        prop_assert_eq!(dsn.to_string().parse::<Dsn>().map_err(|err| format!("{dsn}: {err}")), Ok(dsn));
    }

    #[test]
    fn any_password_survives_encoding_and_the_way_to_the_client(password in "[^\\pC]{1,20}", user in "[^\\pC]{1,8}") {
        let encoded = percent::encode(&password);
        let dsn = parse(&format!("ws://{}:{encoded}@h:1/d", percent::encode(&user)));
        prop_assert_eq!(dsn.user(), Some(user.as_str()));
        let client = dsn.to_client(&no_secrets()).unwrap();
        prop_assert_eq!(client.password.as_ref().map(Secret::expose), Some(password.as_str()));
        let text = client.to_text().unwrap();
        let parts = text.expose().strip_prefix("ws://").and_then(|rest| rest.strip_suffix("@h:1/d")).unwrap();
        let (_, sent) = parts.split_once(':').unwrap();
        prop_assert_eq!(percent::decode(sent), Ok(password));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}", tail in "[a-z:/@?&=$%{}\\[\\]#,.0-9]{0,40}") {
        drop(Dsn::parse(&text));
        drop(Dsn::parse(&format!("ws://{tail}")));
    }

    #[test]
    fn no_password_or_token_is_ever_shown(
        password in "[A-Za-z0-9]{3}[A-Za-z0-9@:/?#%&=+,;!~. -]{4,16}",
        encoded: bool,
        place in 0usize..6,
    ) {
        let written = if encoded { percent::encode(&password) } else { password.clone() };
        let text = match place {
            0 => format!("ws://root:{written}@h:6041/db?mode=history"),
            1 => format!("ws://root:{written}@h:bad/db"),
            2 => format!("ws://root:{written}"),
            3 => format!("taos://root:{written}@h/db?nonsense=1"),
            4 => format!("root:{written}@h/db"),
            _ => format!("wss://h/db?token={}", percent::encode(&written)),
        };
        let shown = match Dsn::parse(&text) {
            Ok((dsn, _)) if place != 2 => format!("{dsn} {dsn:?} {dsn:#?} {:?}", dsn.to_client(&no_secrets())),
            Ok(_) => String::new(),
            Err(err) => format!("{err} {err:?}"),
        };
        prop_assert!(!shown.contains(&password) && !shown.contains(&written), "{text}: {shown}");
    }
}
