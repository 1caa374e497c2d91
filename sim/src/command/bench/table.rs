//! Rows of text become a table in Markdown: to be read as it is, and to stand in BENCHMARKS.md.

use std::fmt;

/// A table with a title.
pub(super) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(title: &str, columns: &[&str]) -> Self {
        Self { title: title.to_owned(), rows: vec![columns.iter().map(ToString::to_string).collect()] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.len()).max();
        let widths: Vec<usize> = (0..).map_while(width).collect();
        writeln!(f, "{}\n", self.title)?;
        for (place, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(f, "| {cell:<width$} |")?;
                } else {
                    write!(f, " {cell:>width$} |")?;
                }
            }
            writeln!(f)?;
            if place == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let rule = "-".repeat(*width);
                    write!(
                        f,
                        "{}{rule}{}|",
                        if column == 0 { "|-" } else { "-" },
                        if column == 0 { "-" } else { ":" }
                    )?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_in_columns() {
        let mut table = Table::new("growth", &["clients", "ms"]);
        table.row(vec!["5".to_owned(), "1.0".to_owned()]);
        table.row(vec!["200".to_owned(), "1234.5".to_owned()]);
        let text = "growth\n\n| clients |     ms |\n|---------|-------:|\n| 5       |    1.0 |\n| 200     | 1234.5 |\n";
        assert_eq!(table.to_string(), text);
    }
}
