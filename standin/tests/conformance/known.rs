//! Statements the stand-in answers otherwise than the real servers, and why.

use tdferry_standin::Flavor;

pub(crate) fn differences(flavor: Flavor) -> &'static [(&'static str, &'static str)] {
    match flavor {
        Flavor::V26 => V26,
        Flavor::V3 => V3,
    }
}

const V26: &[(&str, &str)] = &[(
    "select tbname, groupid, location from c2.meters limit 2 offset 1",
    "the real server goes through its hash of tables, the stand-in in order of creation; no order is promised",
)];

const V3: &[(&str, &str)] = &[
    ("show cluster", "every cluster has an id, a name and an uptime of its own"),
    (
        "show table distributed c3.meters",
        "the real server counts every version of an overwritten row as long as it is in memory, here 8 for 6",
    ),
];
