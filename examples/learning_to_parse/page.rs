//! The page: results, curves, and the arcs that were chosen, drawn over the words.

use maud::{Markup, html};
use report::{Chart, Line, RGBColor, Table, figure, legend};

use crate::choice::{Method, heads};
use crate::cli::Cli;
use crate::list_model::ListModel;
use crate::lists::Sentence;
use crate::review_model::{Review, ReviewModel};
use crate::training::{Run, state};

/// The number of sentences of each job on the page.
const SHOWN: usize = 8;

pub struct Context<'a> {
    pub cli: &'a Cli,
    pub list_table: &'a Table,
    pub review_table: &'a Table,
}

pub fn render(
    context: &Context,
    list_runs: &[Run<ListModel>],
    lists: &[Sentence],
    review_runs: &[Run<ReviewModel>],
    reviews: &[Review],
) -> Result<String, String> {
    let body = html! {
        p.lede {
            "Which tree over the words does an answer need? A scorer picks it, a predictor sees a sentence through its "
            "arcs only, and nobody shows the model a tree."
        }
        h2 { "Nested lists, held out" }
        (context.list_table)
        p.note {
            "The true head of every token is the operator of its list. Each token is asked for that operator, which the "
            "predictor can only know from the chosen arc."
        }
        h2 { "Reviews, held out" }
        (context.review_table)
        p.note { "The prediction is a mean over the chosen arcs. All methods have the same weights and see the same words." }
        h2 { "Training" }
        (legend(list_runs.iter().map(|run| (run.settings.method.name(), colour(run.settings.method)))))
        div.curves {
            (figure("Nested lists: validation loss", curves(list_runs)?))
            (figure("Reviews: validation loss", curves(review_runs)?))
        }
        p.note { "A dot marks the epoch whose weights were kept." }
        h2 { "Trees of nested lists" }
        p.note { "Trees that were learned with Implicit MLE, on lists of the test. A wrong arc is red." }
        @for tree in list_trees(list_runs, lists)? { (tree) }
        h2 { "Trees of reviews" }
        p.note {
            "Trees that were learned with Implicit MLE, on reviews of the test. The arcs that move the prediction most are "
            "thick: green ones raise it and red ones lower it."
        }
        @for tree in review_trees(review_runs, reviews)? { (tree) }
        h2 { "Settings" }
        dl {
            dt { "nested lists" }
            dd { (context.cli.lists) " to learn from, " (lists.len()) " to test, " (context.cli.epochs) " epochs" }
            dt { "reviews" }
            dd { (reviews.len()) " to test, " (context.cli.review_epochs) " epochs" }
            dt { "seed" }
            dd { (context.cli.seed) }
        }
    };
    Ok(report::page("Learning to parse", body))
}

/// One colour for each method, readable on a light and on a dark ground.
fn colour(method: Method) -> RGBColor {
    match method {
        Method::Flat => RGBColor(139, 148, 158),
        Method::Chain => RGBColor(217, 142, 4),
        Method::BackwardChain => RGBColor(160, 110, 60),
        Method::RandomTrees => RGBColor(120, 160, 60),
        Method::BestHeads => RGBColor(220, 80, 120),
        Method::Implicit => RGBColor(14, 140, 200),
        Method::Simple => RGBColor(168, 85, 247),
        Method::Marginals => RGBColor(30, 160, 120),
    }
}

fn curves<M>(runs: &[Run<M>]) -> Result<String, String> {
    let line = |run: &Run<M>| Line {
        colour: colour(run.settings.method),
        points: (1..).zip(&run.validation).map(|(x, &loss)| (f64::from(x), f64::from(loss))).collect(),
        dot: Some(run.best),
    };
    let chart = Chart { x: "epoch", x_log: false, y_log: false, lines: runs.iter().map(line).collect() };
    chart.draw().map_err(|error| error.to_string())
}

fn list_trees(runs: &[Run<ListModel>], lists: &[Sentence]) -> Result<Vec<Markup>, String> {
    let Some(run) = runs.iter().find(|run| run.settings.method == Method::Implicit) else { return Ok(Vec::new()) };
    let tree = |(number, sentence): (usize, &Sentence)| {
        let z = state(&run.model, run.settings, number, sentence).map_err(|error| error.to_string())?;
        let words: Vec<String> = sentence.tokens.iter().map(|token| token.text()).collect();
        let heads = heads(&z, words.len());
        let look = |d: usize| if heads[d] == sentence.heads[d] { (PLAIN, 1.5) } else { (LOWERS, 2.5) };
        Ok(drawn(&words, &heads, look))
    };
    lists.iter().take(SHOWN).enumerate().map(tree).collect()
}

fn review_trees(runs: &[Run<ReviewModel>], reviews: &[Review]) -> Result<Vec<Markup>, String> {
    let Some(run) = runs.iter().find(|run| run.settings.method == Method::Implicit) else { return Ok(Vec::new()) };
    let tree = |(number, review): (usize, &Review)| {
        let z = state(&run.model, run.settings, number, review).map_err(|error| error.to_string())?;
        let heads = heads(&z, review.words.len());
        let look = |d: usize| {
            let effect = run.model.effect(&review.words, heads[d], d);
            let width = (1.0 + 12.0 * effect.abs()).min(5.0);
            (
                if width < 1.5 {
                    PLAIN
                } else if effect < 0.0 {
                    LOWERS
                } else {
                    RAISES
                },
                width,
            )
        };
        Ok(drawn(&review.spelled, &heads, look))
    };
    reviews.iter().take(SHOWN).enumerate().map(tree).collect()
}

const PLAIN: &str = "var(--soft)";
const RAISES: &str = "var(--raises)";
const LOWERS: &str = "var(--lowers)";

/// The words in a line with an arc from each head to each word. `look` gives the colour and the width of the arc to a
/// word. An arc from the root comes straight from above.
fn drawn(words: &[String], heads: &[usize], look: impl Fn(usize) -> (&'static str, f32)) -> Markup {
    const LETTER: f32 = 8.4;
    const GAP: f32 = 16.0;
    const STEP: f32 = 11.0;
    let mut end = GAP;
    let centre = |word: &String| {
        let width = LETTER * word.chars().count() as f32;
        end += width + GAP;
        end - GAP - width / 2.0
    };
    let centres: Vec<f32> = words.iter().map(centre).collect();
    let longest = heads.iter().enumerate().map(|(d, h)| d.abs_diff(*h)).max().unwrap_or(0);
    let base = STEP * longest as f32 + 3.0 * STEP;
    let path = |d: usize| {
        let (to, from) = (centres[d], centres[heads[d]]);
        if heads[d] == d {
            return format!("M{to:.0} {:.0}V{base:.0}", STEP / 2.0);
        }
        let top = base - STEP * (1 + d.abs_diff(heads[d])) as f32;
        let from = from + if to > from { 3.0 } else { -3.0 }; // arcs leave a head beside the arc that enters it
        format!("M{from:.0} {base:.0}C{from:.0} {top:.0} {to:.0} {top:.0} {to:.0} {base:.0}")
    };
    html! {
        article { div.scroll {
            svg viewBox=(format!("0 0 {end:.0} {:.0}", base + 24.0)) style=(format!("width:{end:.0}px")) {
                @for d in 0..words.len() {
                    @let (colour, width) = look(d);
                    path d=(path(d)) fill="none" style=(format!("stroke:{colour};stroke-width:{width:.1}")) {}
                    circle cx=(format!("{:.0}", centres[d])) cy=(format!("{base:.0}")) r="2.5" style=(format!("fill:{colour}")) {}
                }
                @for (word, x) in words.iter().zip(&centres) {
                    text x=(format!("{x:.0}")) y=(format!("{:.0}", base + 18.0)) text-anchor="middle" font-size="15" { (word) }
                }
            }
        } }
    }
}
