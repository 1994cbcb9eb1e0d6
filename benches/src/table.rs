//! The table: what was measured beside its bar.

/// Prints rows as they are measured, and at the end says which missed their bar.
pub struct Table {
    only: String,
    met: usize,
    missed: Vec<String>,
}

/// Busier than this at the start (load average per processor), and the figures say little.
const QUIET: f64 = 0.3;

impl Table {
    pub fn new(only: &str) -> Self {
        Self { only: only.to_owned(), met: 0, missed: Vec::new() }
    }
    /// Whether a row is wanted.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
    /// The machine, then the table's head.
    pub fn head(&self) {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        println!("Podium's benchmarks on {processors} processors; clients and cluster share them.");
        if let Some(load) = load_average()
            && load > QUIET * processors as f64
        {
            println!(
                "The machine is busy (load average {load:.1} before the first row): read these figures with care."
            );
        }
        println!("\n| {:<46} | {:>44} | {:>22} | {:<6} |", "row", "measured", "bar", "met");
        println!("| {} | {}: | {}: | {} |", "-".repeat(46), "-".repeat(43), "-".repeat(21), "-".repeat(6));
    }
    /// A row with a bar.
    pub fn row(&mut self, name: &str, measured: &str, bar: &str, met: bool) {
        if met {
            self.met += 1;
        } else {
            self.missed.push(format!("{name}: {measured} (bar: {bar})"));
        }
        print(name, measured, bar, if met { "yes" } else { "MISSED" });
    }
    /// A row that no bar was set for.
    pub fn note(&mut self, name: &str, measured: &str) {
        print(name, measured, "-", "-");
    }
    /// What was met and what was not.
    pub fn end(&self) {
        println!("\n{} of {} bars met", self.met, self.met + self.missed.len());
        for row in &self.missed {
            println!("missed: {row}");
        }
    }
}

fn print(name: &str, measured: &str, bar: &str, met: &str) {
    println!("| {name:<46} | {measured:>44} | {bar:>22} | {met:<6} |");
}

/// Of the last minute.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
