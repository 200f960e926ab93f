//! Three layers, one configuration, and which layer is named when it is wrong.

use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn file(text: &str) -> ConfigFile {
    ConfigFile { path: PathBuf::from("role.toml"), text: text.to_owned() }
}

fn loaded<T: RoleConfig>(
    text: &str,
    env: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<T, ConfigError> {
    let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    load(&Layers { file: Some(&file(text)), env: &env, flags: &flags })
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(loaded::<CoordinatorConfig>("", &[], &[]).unwrap(), CoordinatorConfig::default());
    assert_eq!(loaded::<WorkerConfig>("", &[], &[]).unwrap(), WorkerConfig::default());
}

#[test]
fn flags_lie_over_the_environment_and_that_over_the_file() {
    let text = "slots = 2\ncoordinators = [\"http://file:1\"]\n[labels]\ndc = \"file\"\n";
    let env =
        [("TDFERRY_SLOTS", "3"), ("TDFERRY_LABELS", "dc=env,rack=7"), ("TDFERRY_TEST_SOURCE", "ignored")];
    let worker: WorkerConfig = loaded(text, &env, &[("slots", "4")]).unwrap();
    assert_eq!(worker.slots, Some(4));
    assert_eq!(
        worker.labels,
        [("dc", "env"), ("rack", "7")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    );
    assert_eq!(worker.coordinators, ["http://file:1"]);
}

#[test]
fn every_key_can_be_given_in_each_layer() {
    let values = [
        ("listen", "0.0.0.0:1"),
        ("advertise", "host:1"),
        ("store", "etcd://a:1,[::1]:2"),
        ("store-ca", "/ca"),
        ("store-cert", "/cert"),
        ("store-key", "/key"),
        ("store-user", "tdferry"),
        ("store-password", "${env:ETCD_PW}"),
        ("heartbeat", "1s"),
    ];
    assert_eq!(
        values.map(|(name, _)| name),
        CoordinatorConfig::KEYS.iter().map(|key| key.name).collect::<Vec<_>>()[..]
    );
    let text: String = values.iter().map(|(key, value)| format!("{key} = '{value}'\n")).collect();
    let env = values.map(|(key, value)| (format!("TDFERRY_{}", key.replace('-', "_").to_uppercase()), value));
    let env: Vec<_> = env.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let by_file: CoordinatorConfig = loaded(&text, &[], &[]).unwrap();
    assert_eq!(by_file, loaded("", &env, &[]).unwrap());
    assert_eq!(by_file, loaded("", &[], &values).unwrap());
    assert_eq!(by_file.store_location().unwrap(), StoreLocation::Etcd(vec!["a:1".into(), "[::1]:2".into()]));
    assert_eq!(by_file.heartbeat, Duration::from_secs(1));
    assert_eq!(toml::Table::try_from(&by_file).unwrap().len(), values.len(), "no field is without a key");
}

#[test]
fn the_workers_keys_are_its_fields() {
    let worker = WorkerConfig { slots: Some(1), ..WorkerConfig::default() };
    let fields: Vec<_> = toml::Table::try_from(&worker).unwrap().keys().cloned().collect();
    let mut keys: Vec<_> = WorkerConfig::KEYS.iter().map(|key| key.name).collect();
    keys.sort_unstable();
    assert_eq!(fields, keys);
}

#[test]
fn a_folder_is_a_store_too() {
    let config: CoordinatorConfig = loaded("", &[], &[("store", "/var/lib/tdferry")]).unwrap();
    assert_eq!(config.store_location().unwrap(), StoreLocation::Folder("/var/lib/tdferry".into()));
}

#[test]
fn a_wrong_coordinator_names_the_layer_and_what_to_do() {
    for (text, env, flags, start, hint) in [
        ("\nlisten = 5", &[][..], &[][..], "role.toml line 2: ", ""),
        ("\nlitsen = 'x'", &[], &[], "role.toml line 2: `litsen` is not known", "`listen`"),
        ("heartbeat = 'x'", &[], &[], "role.toml line 1: ", "`30m`"),
        ("listen", &[], &[], "role.toml line 1: ", ""),
        ("", &[("TDFERRY_HEARTBEAT", "x")], &[], "TDFERRY_HEARTBEAT: ", "`30m`"),
        ("", &[], &[("heartbeat", "x")], "--heartbeat: ", "`30m`"),
        ("", &[], &[("heartbeat", "1ms")], "heartbeat: ", "50ms"),
        ("", &[], &[("listen", "here")], "listen: \"here\" is not an address", "0.0.0.0:7410"),
        ("", &[], &[("store", "etcd://a")], "store: ", "host:port"),
        ("", &[], &[("store", "etcd://u:p@a:1")], "store: ", "host:port"),
        ("", &[], &[("store", "redis://a:1")], "store: ", "etcd://"),
        ("", &[], &[("store", "")], "store: it is empty", "folder"),
        ("", &[], &[("store-cert", "/c")], "store-key: ", "`store-cert`"),
        ("", &[], &[("store-password", "${env:P}")], "store-user: ", "`store-password`"),
        ("", &[], &[("store", "/d"), ("store-ca", "/ca")], "store: a folder takes no", "leave"),
    ] {
        let shown = loaded::<CoordinatorConfig>(text, env, flags).expect_err(start).to_string();
        assert!(shown.starts_with(start) && shown.contains(hint), "{text} {env:?} {flags:?}: {shown}");
    }
}

#[test]
fn a_wrong_worker_names_the_layer_and_what_to_do() {
    for (key, value, start, hint) in [
        ("slots", "many", "--slots: write a whole number", ""),
        ("slots", "0", "slots: ", "1 to 1024"),
        ("labels", "dc", "--labels: ", "key=value"),
        ("labels", "dc=", "labels: ", "key=value"),
        ("coordinators", "host:7410", "coordinators: ", "http://host:7410"),
        ("coordinators", "", "coordinators: ", "http://host:7410"),
    ] {
        let shown = loaded::<WorkerConfig>("", &[], &[(key, value)]).expect_err(value).to_string();
        assert!(shown.starts_with(start) && shown.contains(hint), "{key}={value}: {shown}");
    }
}

#[test]
fn a_clear_password_is_refused_without_being_shown() {
    for layer in 0..3 {
        let text = if layer == 0 { "store-password = 'hunter2'" } else { "" };
        let env = if layer == 1 { &[("TDFERRY_STORE_PASSWORD", "hunter2")][..] } else { &[] };
        let flags = if layer == 2 { &[("store-password", "hunter2")][..] } else { &[] };
        let shown = loaded::<CoordinatorConfig>(text, env, flags).unwrap_err().to_string();
        assert!(!shown.contains("hunter2") && shown.contains("${env:NAME}"), "{shown}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let err = read_file(std::path::Path::new("/no/such/role.toml")).unwrap_err().to_string();
    assert!(err.starts_with("/no/such/role.toml: cannot be read"), "{err}");
}
