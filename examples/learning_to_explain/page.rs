//! The page: results, curves, explained texts.

use std::error::Error;
use std::path::Path;

use learning::{Corpus, Data, Example};
use maud::{Markup, html};
use report::{Chart, Line, RGBColor, Table, figure, legend};

use crate::cli::Cli;
use crate::evaluation::{Explained, explain};
use crate::training::{Epoch, Method, Model, Run};

/// The number of held-out texts on the page.
const SHOWN: usize = 16;

pub struct Context<'a> {
    pub cli: &'a Cli,
    pub data: &'a Data,
    pub file: &'a Path,
    pub corpus: &'a Corpus<'a>,
    pub results: &'a Table,
}

/// `runs` has one run of each method, all with the first seed.
pub fn render(context: &Context, runs: &[Run]) -> Result<String, Box<dyn Error>> {
    let k = context.cli.k;
    let training = curves(runs, |epoch| epoch.training)?;
    let validation = curves(runs, |epoch| epoch.validation)?;
    let explained = match runs.iter().find(|run| run.model.method == Method::ImplicitMle) {
        Some(run) => texts(context.corpus, &run.model)?,
        None => html! {},
    };
    let body = html! {
        p.lede {
            "Which " (k) " words of a text carry its score? A scorer picks them, a predictor sees nothing else, and "
            "Implicit MLE trains both through the choice."
        }
        h2 { "On held-out texts" }
        (context.results)
        p.note {
            @if context.cli.seeds > 1 { "Mean ± standard deviation over " (context.cli.seeds) " seeds, each with its own split. " }
            "Straight-through has the same noise, samples and steps as I-MLE. The valence lexicon lists words that carry feeling on their own: a proxy, not the truth about an explanation."
        }
        h2 { "Training" }
        (legend(runs.iter().map(|run| (run.model.method.name(k), colour(run.model.method)))))
        div.curves {
            (figure("Training error", training))
            (figure("Validation error", validation))
        }
        p.note {
            "Mean squared error in squared units of the score, seed " (context.cli.seed) ". Training choices are noisy, "
            "validation choices are not. A dot marks the epoch whose weights were kept."
        }
        h2 { "What the model read" }
        p.note {
            "The first " (SHOWN) " texts of the test part, in the random order of the split. Marked: the chosen words, and by how much each one "
            span.raises { "raises" } " or " span.lowers { "lowers" } " the prediction."
        }
        (explained)
        h2 { "Settings" }
        (settings(context))
    };
    Ok(report::page("Learning to explain", body))
}

/// One colour for each method, readable on a light and on a dark ground.
fn colour(method: Method) -> RGBColor {
    match method {
        Method::AllWords => RGBColor(139, 148, 158),
        Method::RandomWords => RGBColor(217, 142, 4),
        Method::StraightThrough => RGBColor(168, 85, 247),
        Method::ImplicitMle => RGBColor(14, 140, 200),
    }
}

/// `error` of every run over the epochs. A dot marks the epoch whose weights were kept.
fn curves(runs: &[Run], error: impl Fn(&Epoch) -> f32) -> Result<String, Box<dyn Error>> {
    let line = |run: &Run| Line {
        colour: colour(run.model.method),
        points: (1..).zip(&run.epochs).map(|(x, epoch)| (f64::from(x), f64::from(error(epoch)))).collect(),
        dot: Some(run.best),
    };
    Chart { x: "epoch", x_log: false, y_log: false, lines: runs.iter().map(line).collect() }.draw()
}

fn texts(corpus: &Corpus, model: &Model) -> Result<Markup, imle::Error> {
    let shown = &corpus.test[..SHOWN.min(corpus.test.len())];
    let explained = explain(model, shown)?;
    let all = corpus.training.iter().chain(&corpus.validation).chain(&corpus.test);
    let scores = all.map(|example: &Example| example.text.score);
    let range = scores.fold((f32::MAX, f32::MIN), |(low, high), score| (low.min(score), high.max(score)));
    Ok(html! {
        @for one in &explained {
            article {
                p { (marked(one, &one.effects(model), corpus.deviation)) }
                (scores_of(one.example.text.score, corpus.score(one.prediction), range))
            }
        }
    })
}

/// The text with its chosen words marked; the stronger a word's effect, the stronger its colour.
fn marked(one: &Explained, effects: &[f32], unit: f32) -> Markup {
    let text = &one.example.text.text;
    let words = one.example.text.words.iter().zip(&one.z).zip(effects);
    let mut end = 0;
    html! {
        @for ((word, _), effect) in words.filter(|((_, z), _)| **z == 1.0) {
            @let effect = unit * effect;
            @let class = if effect < 0.0 { "lowers" } else { "raises" };
            @let strength = (15.0 + 60.0 * effect.abs()).min(75.0);
            (text[end..word.place.start])
            mark class=(class) style=(format!("--strength:{strength:.0}%")) {
                (text[word.place.clone()]) small { (signed(effect, 1)) }
            }
            ({ end = word.place.end; "" })
        }
        (text[end..])
    }
}

/// With a true minus sign, and no sign on what rounds to zero.
fn signed(value: f32, digits: usize) -> String {
    let text = format!("{value:+.digits$}");
    if text.contains(|digit| ('1'..='9').contains(&digit)) { text.replace('-', "−") } else { text[1..].into() }
}

fn scores_of(true_score: f32, predicted: f32, (low, high): (f32, f32)) -> Markup {
    let place = |score: f32| format!("left:{:.1}%", 100.0 * ((score - low) / (high - low)).clamp(0.0, 1.0));
    html! {
        div.scores {
            span.people { "people " b { (signed(true_score, 2)) } }
            span.model { "model " b { (signed(predicted, 2)) } }
            div.track {
                i.people style=(place(true_score)) {}
                i.model style=(place(predicted)) {}
            }
        }
    }
}

fn settings(context: &Context) -> Markup {
    let Context { cli, data, file, corpus, .. } = context;
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let parts = [corpus.training.len(), corpus.validation.len(), corpus.test.len()];
    html! {
        dl {
            dt { "data" }
            dd { (file) ": " (data.texts.len()) " texts, " (data.skipped) " lines skipped" }
            dt { "split" }
            dd { (parts[0]) " training, " (parts[1]) " validation, " (parts[2]) " test" }
            dt { "vocabulary" }
            dd { (corpus.vocabulary) " words" }
            dt { "k" }
            dd { (cli.k) }
            dt { "lambda" }
            dd { (cli.lambda) }
            dt { "noise" }
            dd { (cli.noise.name()) ", " (cli.samples) " stratified samples a text" }
            dt { "epochs" }
            dd { (cli.epochs) }
            dt { "seeds" }
            dd { (cli.seed) @if cli.seeds > 1 { " to " (cli.seed.wrapping_add(u64::from(cli.seeds) - 1)) } }
        }
    }
}
