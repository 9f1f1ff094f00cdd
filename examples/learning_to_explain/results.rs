//! The table of results: one line for each method, mean ± standard deviation over the seeds.

use report::Table;

use crate::evaluation::Evaluation;
use crate::training::Method;

const HEADER: [&str; 5] = ["the predictor sees", "test MSE", "test R²", "words in lexicon", "÷ random"];

/// `evaluations` holds those of `Method::ALL` for the first seed, then for the next.
pub fn summarise(evaluations: &[Evaluation], k: u32) -> Table {
    let seeds: Vec<&[Evaluation]> = evaluations.chunks_exact(Method::ALL.len()).collect();
    let random = Method::ALL.iter().position(|&method| method == Method::RandomWords);
    let line = |(number, method): (usize, &Method)| {
        let over_seeds = |of: &dyn Fn(&[Evaluation]) -> f64| seeds.iter().map(|seed| of(seed)).collect::<Vec<f64>>();
        let ratio = |seed: &[Evaluation]| random.map_or(f64::NAN, |r| seed[number].in_lexicon / seed[r].in_lexicon);
        vec![
            method.name(k),
            spread(&over_seeds(&|seed| seed[number].mse), 3, ""),
            spread(&over_seeds(&|seed| seed[number].r2), 3, ""),
            spread(&over_seeds(&|seed| 100.0 * seed[number].in_lexicon), 1, "\u{a0}%"),
            spread(&over_seeds(&ratio), 2, ""),
        ]
    };
    Table::new(&HEADER, Method::ALL.iter().enumerate().map(line).collect())
}

/// "mean ± standard deviation" (n − 1 in the denominator); the mean alone if there is one value.
fn spread(values: &[f64], digits: usize, unit: &str) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if !mean.is_finite() {
        return "–".into(); // no random word was in the lexicon
    }
    if values.len() == 1 {
        return format!("{mean:.digits$}{unit}");
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    format!("{mean:.digits$} ±\u{a0}{deviation:.digits$}{unit}") // the page breaks no line after ±
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_no_deviation() {
        assert_eq!(spread(&[0.4249], 3, ""), "0.425");
        assert_eq!(spread(&[1.0, 2.0, 3.0], 1, "\u{a0}%"), "2.0 ±\u{a0}1.0\u{a0}%");
        assert_eq!(spread(&[f64::NAN], 1, ""), "–");
    }
}
