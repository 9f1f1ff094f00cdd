//! A table, as text and as HTML.

use comfy_table::{CellAlignment, presets};
use maud::{Markup, Render, html};

pub struct Table {
    pub header: Vec<String>,
    pub lines: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str], lines: Vec<Vec<String>>) -> Self {
        Self { header: header.iter().map(|&cell| cell.into()).collect(), lines }
    }

    /// The first column is aligned to the left and all others to the right. Ends with a newline.
    pub fn text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(&self.header).add_rows(&self.lines);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{table}\n")
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            div.scroll { table {
                thead { tr { @for title in &self.header { th { (title) } } } }
                tbody { @for line in &self.lines { tr { @for cell in line { td { (cell) } } } } }
            } }
        }
    }
}
