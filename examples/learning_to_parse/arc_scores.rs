//! One number for each arc: `⟨output, relu(Σ_t table_t[row_t])⟩`, from a row of each of several tables.

use learning::{SplitMix64, Weights, add, dot};

/// Hidden units.
const HIDDEN: usize = 16;
/// Bound of the initial output weights.
const OUTPUT_BOUND: f32 = 0.4;

#[derive(Clone)]
pub struct ArcScores<const TABLES: usize> {
    tables: [Weights; TABLES],
    output: Weights,
}

impl<const TABLES: usize> ArcScores<TABLES> {
    /// Tables with these numbers of rows, whose initial numbers are within ±`bound`.
    pub fn new(rows: [usize; TABLES], bound: f32, random: &mut SplitMix64) -> Self {
        let tables = rows.map(|rows| Weights::uniform(rows * HIDDEN, bound, random));
        Self { tables, output: Weights::uniform(HIDDEN, OUTPUT_BOUND, random) }
    }

    fn hidden(&self, rows: [usize; TABLES]) -> [f32; HIDDEN] {
        let mut hidden = [0.0; HIDDEN];
        for (table, row) in self.tables.iter().zip(rows) {
            add(&mut hidden, 1.0, &table.value[row * HIDDEN..][..HIDDEN]);
        }
        hidden.map(|x| x.max(0.0))
    }

    pub fn value(&self, rows: [usize; TABLES]) -> f32 {
        dot(&self.output.value, &self.hidden(rows))
    }

    /// Adds `grad` times the gradient of the arc's number to the gradients of the weights.
    pub fn backward(&mut self, rows: [usize; TABLES], grad: f32) {
        let hidden = self.hidden(rows);
        let through_relu = |i: usize| if hidden[i] > 0.0 { grad * self.output.value[i] } else { 0.0 };
        let grad_hidden: [f32; HIDDEN] = std::array::from_fn(through_relu);
        add(&mut self.output.gradient, grad, &hidden);
        for (table, row) in self.tables.iter_mut().zip(rows) {
            add(&mut table.gradient[row * HIDDEN..][..HIDDEN], 1.0, &grad_hidden);
        }
    }

    pub fn step(&mut self, step: i32, rate: f32) {
        self.output.step(step, rate);
        for table in &mut self.tables {
            table.step(step, rate);
        }
    }
}
