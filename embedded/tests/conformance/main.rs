//! One suite on three servers: embedded in memory, embedded in a file, and a real etcd that the suite
//! starts itself. The golden answers were written by the real one (`TDFERRY_BLESS=1`), so it is the
//! judge, and it is never left out.

#![expect(clippy::expect_used, reason = "in a test a failed expectation is the answer")]

mod case;
mod cases;
mod model;
mod random;
mod render;
mod target;

use target::{Target, check};

/// Stamps every case and the random runs on one server.
macro_rules! suite {
    ($name:ident, $target:expr) => {
        cases::for_each_case!(suite, $name, $target);
    };
    ($name:ident, $target:expr, $($group:ident::$case:ident)*) => {
        mod $name {
            use super::*;

            $(
                #[tokio::test]
                async fn $case() {
                    check($target, stringify!($case), cases::$group::$case).await;
                }
            )*

            #[tokio::test]
            async fn random_operations_are_answered_as_the_model_says() {
                random::run($target).await;
            }
        }
    };
}

suite!(embedded_in_memory, Target::Memory);
suite!(embedded_in_a_file, Target::File);
suite!(real_etcd, Target::Real);
