//! Sweeps as tables: how the cost of a message grows with a parameter.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::change_words::grouped;
use crate::kernel::KernelName;
use crate::suite::{CaseResult, Results};

/// Formats a table for each parameter that cases sweep over; empty if there is none. A cell has the cost and the context switches
/// of all operations that the case's first actor records in an iteration: usually one message.
pub(crate) fn sweeps(results: &Results) -> String {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for one in &results.cases {
        let Some(swept) = Swept::of(one) else { continue };
        let table = tables.entry(swept.parameters.clone()).or_default();
        if !table.columns.contains(&swept.values) {
            table.columns.push(swept.values.clone());
        }
        let rows = &mut table.rows;
        let at = rows.iter().position(|row| row.case == swept.case && row.kernel == one.kernel).unwrap_or_else(|| {
            rows.push(Row { case: swept.case.clone(), kernel: one.kernel.clone(), cells: BTreeMap::new() });
            rows.len() - 1
        });
        rows[at].cells.insert(swept.values, cell(one));
    }
    let mut out = String::new();
    for (parameters, table) in tables {
        let unit = if results.mode == "exact" { "instructions" } else { "nanoseconds" };
        let _ = writeln!(out, "\n{unit} and context switches of a message, by {parameters}");
        table.write(&mut out);
    }
    out
}

struct Swept {
    case: String,
    parameters: String,
    values: String,
}

impl Swept {
    /// Splits `ready/poll[connections=10]` into `ready/poll`, `connections` and `10`.
    fn of(one: &CaseResult) -> Option<Self> {
        let name = &one.case;
        let (names, values): (Vec<&str>, Vec<&str>) = name.parameters().unzip();
        (!names.is_empty()).then(|| Self {
            case: name.base().to_owned(),
            parameters: names.join(","),
            values: values.join(","),
        })
    }
}

/// Formats the cost and the switches of the first actor's recorded steps: `92,345 1`; `-` if nothing was measured.
fn cell(one: &CaseResult) -> String {
    let actor = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let Some(first) = one.timings.first().map(|timing| actor(&timing.name)) else { return "-".to_owned() };
    let mine = || one.timings.iter().filter(|timing| actor(&timing.name) == first);
    let cost: u64 = mine().map(|timing| timing.cost).sum();
    let switches: u32 = mine().map(|timing| timing.switches).sum();
    format!("{} {switches}", grouped(cost))
}

#[derive(Default)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    case: String,
    kernel: KernelName,
    cells: BTreeMap<String, String>,
}

impl Table {
    fn write(&self, out: &mut String) {
        let width = |least: usize, texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0).max(least);
        let case = width(4, &mut self.rows.iter().map(|row| row.case.len()));
        let kernel = width(6, &mut self.rows.iter().map(|row| row.kernel.len()));
        let cell = |row: &Row, column: &str| row.cells.get(column).cloned().unwrap_or_else(|| "-".to_owned());
        let widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| width(column.len(), &mut self.rows.iter().map(|row| cell(row, column).len())))
            .collect();
        let _ = write!(out, "{:<case$}  {:<kernel$}", "case", "kernel");
        for (column, width) in self.columns.iter().zip(&widths) {
            let _ = write!(out, "  {column:>width$}");
        }
        out.push('\n');
        for row in &self.rows {
            let _ = write!(out, "{:<case$}  {:<kernel$}", row.case, row.kernel);
            for (column, width) in self.columns.iter().zip(&widths) {
                let _ = write!(out, "  {:>width$}", cell(row, column));
            }
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(case: &str, kernel: &str, costs: &[(&str, u64)]) -> CaseResult {
        let timing = |(name, cost): &(&str, u64)| {
            let switches = u32::from(*name == "receiver.poll");
            serde_json::json!({"name": name, "cost": cost, "switches": switches})
        };
        let text = serde_json::json!({
            "case": case, "kernel": kernel, "verdict": "pass", "problems": [], "notes": [], "capture_digest": "",
            "timing_digest": "", "timings": costs.iter().map(timing).collect::<Vec<_>>(), "took_ms": 0
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_sweep_is_a_row_for_each_case_and_kernel_with_a_column_for_each_value() {
        let text = r#"{"version": 2, "kernels": [], "qemu": "", "mode": "exact", "cases": []}"#;
        let results = Results {
            cases: vec![
                result("recv/plain", "6.12", &[("receiver.recv", 5)]),
                result("ready/poll[connections=1]", "6.12", &[("receiver.poll", 4232), ("receiver.recv", 1693)]),
                result("ready/poll[connections=1000]", "6.12", &[("receiver.poll", 857_394), ("sender.send", 9)]),
            ],
            ..serde_json::from_str(text).unwrap()
        };
        let expected = "\ninstructions and context switches of a message, by connections\n\
                        case        kernel        1       1000\n\
                        ready/poll  6.12    5,925 1  857,394 1\n";
        assert_eq!(sweeps(&results), expected);
    }
}
