//! Makes the client from the served document.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=DOORCODE_ADMIN_DOCUMENT");
    let document = env::var("DOORCODE_ADMIN_DOCUMENT")?;
    println!("cargo::rerun-if-changed={document}");
    let described: openapiv3::OpenAPI = serde_json::from_slice(&fs::read(&document)?)?;
    let mut settings = progenitor_impl::GenerationSettings::default();
    settings.with_interface(progenitor_impl::InterfaceStyle::Builder);
    let client = progenitor_impl::Generator::new(&settings).generate_tokens(&described)?;
    let text = prettyplease::unparse(&syn::parse2(client)?);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("client.rs"), text)?;
    Ok(())
}
