fn main() {
    // A logger runs beside each container, and must be small and start at once: a program that is
    // linked to its addresses has nothing of its own to relocate, half a megabyte of pages.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        println!("cargo:rustc-link-arg-bin=probelet=-no-pie");
    }
}
