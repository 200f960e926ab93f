//! The adapter to real databases, held to what every adapter of the ports must do: over two stand-ins always, and
//! over real servers where `TDFERRY_TEST_SOURCE` and `TDFERRY_TEST_SINK` name them.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "tests fail loudly, and say what they skip")]

mod errors;
mod fill;
mod following;
mod odd;
mod place;
mod read_back;
mod rig;

use rig::TdRig;

tdferry_common::ports_conform!(over_stand_ins, TdRig::over_stand_ins().await);

tdferry_common::ports_conform!(
    over_real_servers,
    match TdRig::over_real_servers() {
        Some(rig) => rig,
        None => return,
    }
);
