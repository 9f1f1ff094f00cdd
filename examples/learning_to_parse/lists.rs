//! Nested lists with a known tree: `[MAX 2 9 [MIN 4 7 ] 0 ]`, as in ListOps (Nangia, Bowman 2018). Every token hangs from
//! the operator of its list, and the outermost operator hangs from the root.

use learning::SplitMix64;

/// No two lists of a sentence have the same operator, so the operator names the head.
pub const OPERATORS: [&str; 12] =
    ["MAX", "MIN", "MED", "SUM", "PROD", "MEAN", "FIRST", "LAST", "COUNT", "RANGE", "ODD", "EVEN"];
const TOKENS: std::ops::RangeInclusive<usize> = 5..=20;
const LEAST_DEPTH: usize = 3;
const LARGEST_DEPTH: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token {
    /// `[MAX`
    Open(usize),
    Digit(usize),
    Close,
}

impl Token {
    /// The number of different tokens.
    pub const COUNT: usize = OPERATORS.len() + 10 + 1;

    pub fn number(self) -> usize {
        match self {
            Token::Open(operator) => operator,
            Token::Digit(digit) => OPERATORS.len() + digit,
            Token::Close => Self::COUNT - 1,
        }
    }

    pub fn text(self) -> String {
        match self {
            Token::Open(operator) => format!("[{}", OPERATORS[operator]),
            Token::Digit(digit) => digit.to_string(),
            Token::Close => "]".into(),
        }
    }
}

#[derive(Clone)]
pub struct Sentence {
    pub tokens: Vec<Token>,
    /// The head of each token; the first token, which hangs from the root, is its own head.
    pub heads: Vec<usize>,
}

impl Sentence {
    /// A random nested list of 5 to 20 tokens and of depth 3 to 6.
    pub fn random(random: &mut SplitMix64) -> Self {
        loop {
            let mut operators: Vec<usize> = (0..OPERATORS.len()).collect();
            random.shuffle(&mut operators);
            if let Some(sentence) = Self::try_random(random, &operators) {
                return sentence;
            }
        }
    }

    /// None for a list that is too long, too short, too deep or not deep enough.
    fn try_random(random: &mut SplitMix64, operators: &[usize]) -> Option<Self> {
        let mut below = |n: u64| random.next_u64() % n;
        let mut operators = operators.iter();
        let mut tokens = vec![Token::Open(*operators.next()?)];
        let (mut depth, mut deepest) = (1, 1);
        while depth > 0 {
            let has_element = !matches!(tokens.last(), Some(Token::Open(_)));
            let token = match below(10) {
                0..3 => Token::Open(*operators.next()?),
                3..6 if has_element => Token::Close,
                _ => Token::Digit(below(10) as usize),
            };
            match token {
                Token::Open(_) => depth += 1,
                Token::Close => depth -= 1,
                Token::Digit(_) => {}
            }
            deepest = deepest.max(depth);
            tokens.push(token);
            if tokens.len() > *TOKENS.end() || depth > LARGEST_DEPTH {
                return None;
            }
        }
        let good = TOKENS.contains(&tokens.len()) && deepest >= LEAST_DEPTH;
        good.then(|| Sentence { heads: heads(&tokens), tokens })
    }

    /// The operator of a token's list: the answer that the model must give. None for the outermost operator.
    pub fn answer(&self, d: usize) -> Option<usize> {
        match self.tokens[self.heads[d]] {
            Token::Open(operator) if self.heads[d] != d => Some(operator),
            _ => None,
        }
    }
}

fn heads(tokens: &[Token]) -> Vec<usize> {
    let mut open = Vec::new();
    let head = |(place, token): (usize, &Token)| {
        let head = open.last().copied().unwrap_or(place);
        match token {
            Token::Open(_) => open.push(place),
            Token::Close => {
                open.pop();
            }
            Token::Digit(_) => {}
        }
        head
    };
    tokens.iter().enumerate().map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_hangs_from_the_operator_of_its_list() {
        // [MAX 2 [MIN 4 ] 0 ]
        let tokens = [Token::Open(0), Token::Digit(2), Token::Open(1), Token::Digit(4), Token::Close, Token::Digit(0)];
        let tokens = [&tokens[..], &[Token::Close]].concat();
        let sentence = Sentence { heads: heads(&tokens), tokens };
        assert_eq!(sentence.heads, [0, 0, 0, 2, 2, 0, 0]);
        let answers: Vec<_> = (0..7).map(|d| sentence.answer(d)).collect();
        assert_eq!(answers, [None, Some(0), Some(0), Some(1), Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn sentences_have_the_promised_sizes_and_distinct_operators() {
        let mut random = SplitMix64::new(1, 1);
        for _ in 0..1000 {
            let Sentence { tokens, heads } = Sentence::random(&mut random);
            assert!((5..=20).contains(&tokens.len()));
            let mut depth = vec![1; tokens.len()];
            for d in 1..tokens.len() {
                assert!(heads[d] < d && matches!(tokens[heads[d]], Token::Open(_)));
                depth[d] = depth[heads[d]] + 1;
            }
            let lists = (0..tokens.len()).filter(|&d| matches!(tokens[d], Token::Open(_)));
            assert!(lists.clone().any(|d| depth[d] >= 3));
            let mut operators: Vec<_> = lists.map(|d| tokens[d].number()).collect();
            operators.sort_unstable();
            assert!(operators.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
