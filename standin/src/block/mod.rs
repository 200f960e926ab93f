//! The two layouts in which rows travel, coded by hand from what is known of the wire.

mod ucs4;
mod v2;
mod v3;

pub(crate) use v2::{cell_width as v2_cell_width, encode as encode_v2};
pub(crate) use v3::{decode as decode_v3, encode as encode_v3};
