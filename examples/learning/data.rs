//! Reads scored texts: one a line, `id TAB score TAB text`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::words::{Word, words_of};

pub struct Text {
    pub line: usize,
    pub score: f32,
    pub text: String,
    pub words: Vec<Word>,
}

pub struct Data {
    pub texts: Vec<Text>,
    /// The number of lines without a word, from which nothing can be chosen.
    pub skipped: usize,
}

/// A fault in the data and its place. It prints as `file:line: message`.
#[derive(Debug)]
pub struct DataError {
    file: PathBuf,
    line: Option<usize>,
    message: String,
}

impl DataError {
    pub fn new(file: &Path, line: Option<usize>, message: impl Into<String>) -> Self {
        let file = file.to_path_buf();
        let message = message.into();
        Self { file, line, message }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// A score beyond this is refused: errors are squared in f32, and this leaves room for errors of a thousand times as much.
pub const LARGEST_SCORE: f32 = 1e15;

/// Fewer texts than this are too few to learn from and to measure on.
const FEWEST_TEXTS: usize = 100;

pub fn read(file: &Path) -> Result<Data, DataError> {
    let bytes = std::fs::read(file).map_err(|error| DataError::new(file, None, error.to_string()))?;
    parse(file, &bytes)
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Data, DataError> {
    let content = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        DataError::new(file, Some(line), "not UTF-8")
    })?;
    let content = content.trim_start_matches('\u{feff}');

    let mut texts = Vec::new();
    let mut skipped = 0;
    for (line, content) in (1..).zip(content.lines()) {
        if content.trim().is_empty() {
            skipped += 1;
            continue;
        }
        let text = parse_line(line, content).map_err(|message| DataError::new(file, Some(line), message))?;
        if text.words.is_empty() {
            skipped += 1;
        } else {
            texts.push(text);
        }
    }
    check(&texts).map_err(|message| DataError::new(file, None, message))?;
    Ok(Data { texts, skipped })
}

fn parse_line(line: usize, content: &str) -> Result<Text, String> {
    let mut columns = content.splitn(3, '\t').skip(1);
    let score = columns.next().unwrap_or("").trim();
    if score.is_empty() {
        return Err("no score: expected id TAB score TAB text".into());
    }
    let score = match score.parse::<f32>() {
        Ok(score) if score.is_finite() && score.abs() > LARGEST_SCORE => {
            return Err(format!(
                "the score {score:e} is too large to be squared: at most {LARGEST_SCORE:e} is allowed"
            ));
        }
        Ok(score) if score.is_finite() => score,
        _ => return Err(format!("the score {score:?} is not a finite number: expected id TAB score TAB text")),
    };
    let text = columns.next().unwrap_or("").trim().to_string();
    let words = words_of(&text);
    Ok(Text { line, score, text, words })
}

fn check(texts: &[Text]) -> Result<(), String> {
    if texts.len() < FEWEST_TEXTS {
        let count = texts.len();
        return Err(format!("{count} texts with words; at least {FEWEST_TEXTS} are needed to train and to test"));
    }
    if texts.iter().all(|text| text.score == texts[0].score) {
        return Err("all scores are equal: there is nothing to explain".into());
    }
    Ok(())
}

impl Data {
    /// A text shorter than k gives all its words, but a k larger than every text is a mistake.
    pub fn check_k(&self, file: &Path, k: u32) -> Result<(), DataError> {
        let Some(longest) = self.texts.iter().max_by_key(|text| text.words.len()) else {
            return Ok(());
        };
        let words = longest.words.len();
        if k as usize <= words {
            return Ok(());
        }
        let message = format!("--k {k} is more than the {words} words of the longest text");
        Err(DataError::new(file, Some(longest.line), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(content: impl AsRef<[u8]>) -> Result<Data, String> {
        parse(Path::new("f.tsv"), content.as_ref()).map_err(|error| error.to_string())
    }

    /// Enough good lines to train on, and after them `last`.
    fn lines_and(last: &str) -> String {
        let good: String = (0..FEWEST_TEXTS).map(|i| format!("{i}\t{i}\tfine words\n")).collect();
        good + last
    }

    fn message(content: impl AsRef<[u8]>) -> String {
        parsed(content).err().expect("an error")
    }

    #[test]
    fn good_lines_are_read() {
        let data = parsed(lines_and("last\t-1.5\tA tab\tand Été\r\n")).unwrap();
        assert_eq!((data.texts.len(), data.skipped), (FEWEST_TEXTS + 1, 0));
        let last = data.texts.last().unwrap();
        assert_eq!((last.line, last.score, last.text.as_str()), (101, -1.5, "A tab\tand Été"));
        assert_eq!(last.words.last().unwrap().lowercase, "été");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/such/file.tsv")).err().expect("an error");
        assert!(error.to_string().starts_with("no/such/file.tsv: "));
    }

    #[test]
    fn a_line_without_a_score_is_refused() {
        for bad in ["only an id", "id\t\ttext", "id\t  \ttext"] {
            assert_eq!(message(lines_and(bad)), "f.tsv:101: no score: expected id TAB score TAB text");
        }
        for bad in ["good", "NaN", "inf", "1,5"] {
            let expected =
                format!("f.tsv:101: the score {bad:?} is not a finite number: expected id TAB score TAB text");
            assert_eq!(message(lines_and(&format!("id\t{bad}\ttext"))), expected);
        }
    }

    #[test]
    fn a_score_that_cannot_be_squared_is_refused() {
        for bad in ["6e19", "-3.4e38", "1.1e15"] {
            let message = message(lines_and(&format!("id\t{bad}\ttext")));
            assert!(
                message.starts_with(&format!("f.tsv:101: the score {bad} is too large to be squared")),
                "{message}"
            );
        }
        assert!(parsed(lines_and("id\t1e15\ttext")).is_ok());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_their_line() {
        let mut bytes = lines_and("id\t1\tcaf").into_bytes();
        bytes.push(0xe9);
        assert_eq!(message(bytes), "f.tsv:101: not UTF-8");
    }

    #[test]
    fn texts_without_words_and_empty_lines_are_skipped_and_counted() {
        let data = parsed(lines_and("a\t1\t\nb\t2\nc\t3\t... !\n\n  \n")).unwrap();
        assert_eq!((data.texts.len(), data.skipped), (FEWEST_TEXTS, 5));
    }

    #[test]
    fn too_few_texts_and_equal_scores_are_refused() {
        assert!(message("").starts_with("f.tsv: 0 texts with words"));
        let equal = "id\t2\tfine words\n".repeat(FEWEST_TEXTS);
        assert_eq!(message(equal), "f.tsv: all scores are equal: there is nothing to explain");
    }

    #[test]
    fn k_may_exceed_some_texts_but_not_all() {
        let data = parsed(lines_and("id\t1\tthe longest of all\n")).unwrap();
        let check = |k| data.check_k(Path::new("f.tsv"), k).map_err(|error| error.to_string());
        assert_eq!(check(4), Ok(()));
        assert_eq!(check(5), Err("f.tsv:101: --k 5 is more than the 4 words of the longest text".into()));
    }
}
