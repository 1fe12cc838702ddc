//! Rebuilds when a migration is added: the macro that embeds them only watches the files it has already seen.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
