//! A task as a cluster is given it: a file without a password in it.

/// The stand-ins' password, and the variable by which a task refers to it: a stored task holds none.
pub(crate) const PASSWORD: (&str, &str) = ("TDFERRY_BENCH_PASSWORD", "taosdata");

/// The file of a task between two stand-ins, whose DSNs hold their password.
pub(crate) fn file(name: &str, from: &str, to: &str) -> String {
    let reference = format!("${{env:{}}}", PASSWORD.0);
    let [from, to] = [from, to].map(|dsn| dsn.replace(PASSWORD.1, &reference));
    format!("name = \"{name}\"\ntype = \"TDengine2\"\nfrom = \"{from}\"\nto = \"{to}\"\n")
}
