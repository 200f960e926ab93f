//! Generates the gRPC types into the build's own folder; nothing generated is ever committed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["types", "worker", "admin"].map(|name| format!("tdferry/v1/{name}.proto"));
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("tdferry_v1.bin");
    tonic_prost_build::configure()
        .btree_map(".")
        .file_descriptor_set_path(descriptors)
        .compile_protos(&files, &[".".to_owned()])?;
    Ok(())
}
