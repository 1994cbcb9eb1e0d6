//! The table: what was measured beside its bar.

/// Prints rows as they are measured.
pub struct Table {
    only: String,
}

impl Table {
    pub fn new(only: &str) -> Self {
        Self { only: only.to_owned() }
    }
    /// Whether a row is wanted.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
    pub fn print_head(&self) {
        println!("| {:<44} | {:>42} | {:>22} | met |", "row", "measured", "bar");
        println!("| {} | {}: | {}: | --- |", "-".repeat(44), "-".repeat(41), "-".repeat(21));
    }
    pub fn print(&mut self, name: &str, measured: &str, bar: &str, met: bool) {
        println!("| {name:<44} | {measured:>42} | {bar:>22} | {} |", if met { "yes" } else { "no " });
    }
}
