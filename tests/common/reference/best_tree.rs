//! The best dependency tree by the rule for ties that the documentation of `Tree` states, with all cycles of a round closed
//! at once.
//!
//! This file uses nothing of the crate. Numbers are f64 and are rounded as `Rounding` says. A difference or sum of two f32
//! that is rounded to f64 and then to f32 is the f32 difference or sum (Figueroa 1995).

use crate::common::trees::{Kind, is_tree};

/// The head of each word; a root is its own head.
pub type Heads = Vec<usize>;

/// The sum of a tree's scores, which stand `stride` apart from line to line.
pub fn sum(heads: &[usize], scores: &[f32], stride: usize) -> f64 {
    heads.iter().enumerate().map(|(word, head)| f64::from(scores[head * stride + word])).sum()
}

/// z of a tree.
pub fn state(heads: &[usize], stride: usize) -> Vec<f32> {
    let mut z = vec![0.0; stride * stride];
    heads.iter().enumerate().for_each(|(word, head)| z[head * stride + word] = 1.0);
    z
}

/// How the arithmetic rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    F64,
    F32,
}

impl Rounding {
    fn round(self, x: f64) -> f64 {
        match self {
            Rounding::F64 => x,
            Rounding::F32 => f64::from(x as f32),
        }
    }
}

/// An arc from a head (None: the root) to a word, and what it adds.
#[derive(Clone, Copy, Debug)]
struct Arc {
    head: Option<usize>,
    word: usize,
    adds: f64,
}

/// The gaps of the arcs that are not masked: each score minus the best into its word. None if a word has no arc.
fn gaps(scores: &[f32], words: usize, stride: usize, rounding: Rounding) -> Option<Vec<Arc>> {
    let corner = || (0..words).flat_map(|head| (0..words).map(move |word| (head, word)));
    let unmasked = || corner().filter(|(head, word)| scores[head * stride + word] != f32::NEG_INFINITY);
    // +inf counts as the largest number. If a score is beyond 2^96, all are scaled by 2^-32.
    let large = unmasked().any(|(head, word)| scores[head * stride + word].abs() > 2_f32.powi(96));
    let scale = if rounding == Rounding::F32 && large { 2_f64.powi(-32) } else { 1.0 };
    let score =
        |head: usize, word: usize| rounding.round(f64::from(scores[head * stride + word].min(f32::MAX)) * scale);
    let best =
        |word: usize| unmasked().filter(|arc| arc.1 == word).map(|(head, word)| score(head, word)).reduce(f64::max);
    let gap = |(head, word): (usize, usize)| Arc {
        head: (head != word).then_some(head),
        word,
        adds: rounding.round(score(head, word) - best(word).expect("this arc at least")),
    };
    (0..words).all(|word| best(word).is_some()).then(|| unmasked().map(gap).collect())
}

/// The best tree by the rule for ties; None if there is none.
pub fn map(scores: &[f32], words: usize, stride: usize, kind: Kind, rounding: Rounding) -> Option<Heads> {
    let gaps = gaps(scores, words, stride, rounding)?;
    if kind.projective {
        projective(&gaps, words, kind.single_root, rounding)
    } else {
        any(gaps, words, kind.single_root, rounding)
    }
}

/// A group of words, and the arcs into it: at most one from each head.
struct Group {
    words: Vec<usize>,
    arcs: Vec<Arc>,
}

impl Group {
    /// The arc that the group takes.
    fn best(&self, single_root: bool) -> Option<Arc> {
        let key = |arc: &Arc| (single_root && arc.head.is_none(), -arc.adds, arc.head.map_or(-1, |head| head as i64));
        self.arcs.iter().copied().min_by(|a, b| key(a).partial_cmp(&key(b)).expect("no NaN"))
    }
}

/// Trees that may cross.
fn any(gaps: Vec<Arc>, words: usize, single_root: bool, rounding: Rounding) -> Option<Heads> {
    let into = |word: usize| gaps.iter().filter(|arc| arc.word == word).copied().collect();
    let groups = (0..words).map(|word| Group { words: vec![word], arcs: into(word) }).collect();
    let taken = choose(groups, single_root, rounding)?;
    let heads: Heads = (0..words)
        .map(|word| taken.iter().find(|arc| arc.word == word).map(|arc| arc.head.unwrap_or(word)).expect("one each"))
        .collect();
    is_tree(&heads, Kind { projective: false, single_root }).then_some(heads)
}

/// The arc that each group takes in the end, in their order.
fn choose(groups: Vec<Group>, single_root: bool, rounding: Rounding) -> Option<Vec<Arc>> {
    let taken: Vec<Arc> = groups.iter().map(|group| group.best(single_root)).collect::<Option<_>>()?;
    let place = |word| groups.iter().position(|group| group.words.contains(&word)).expect("every word has a group");
    let next: Vec<Option<usize>> = taken.iter().map(|arc| arc.head.map(place)).collect();
    // The groups on the cycle that a walk from this one ends in.
    let cycle = |start: usize| -> Vec<usize> {
        let walk = || std::iter::successors(Some(start), |&at| next[at]);
        let Some(far) = walk().nth(groups.len()) else { return Vec::new() };
        let mut cycle = vec![far];
        while next[cycle[cycle.len() - 1]] != Some(far) {
            cycle.push(next[cycle[cycle.len() - 1]].expect("on a cycle"));
        }
        cycle.sort_unstable();
        cycle
    };
    let mut cycles: Vec<Vec<usize>> = (0..groups.len()).map(cycle).filter(|cycle| !cycle.is_empty()).collect();
    cycles.sort();
    cycles.dedup();
    if cycles.is_empty() {
        return Some(taken);
    }
    let (mut joined, mut members): (Vec<Group>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
    for (i, group) in groups.iter().enumerate() {
        if !cycles.iter().flatten().any(|&member| member == i) {
            joined.push(Group { words: group.words.clone(), arcs: group.arcs.clone() });
            members.push(vec![i]);
        }
    }
    for cycle in &cycles {
        let words: Vec<usize> = cycle.iter().flat_map(|&i| groups[i].words.clone()).collect();
        let mut arcs: Vec<Arc> = Vec::new();
        for &i in cycle {
            let outside = |arc: &&Arc| arc.head.is_none_or(|head| !words.contains(&head));
            for arc in groups[i].arcs.iter().filter(outside) {
                let arc = Arc { adds: rounding.round(arc.adds - taken[i].adds), ..*arc };
                match arcs.iter_mut().find(|other| other.head == arc.head) {
                    None => arcs.push(arc),
                    Some(other) if (-arc.adds, arc.word) < (-other.adds, other.word) => *other = arc,
                    Some(_) => {}
                }
            }
        }
        joined.push(Group { words, arcs });
        members.push(cycle.clone());
    }
    let chosen = choose(joined, single_root, rounding)?;
    let mut result = taken;
    for (arc, members) in chosen.into_iter().zip(members) {
        let entered = members.into_iter().find(|&i| groups[i].words.contains(&arc.word)).expect("a member");
        result[entered] = arc;
    }
    Some(result)
}

/// Trees without crossing arcs, from the longest span to the shortest. A sum that is None has a mask in it.
struct Spans<'a> {
    /// By head and word; the root's arcs on the diagonal.
    gaps: Vec<Option<f64>>,
    words: usize,
    rounding: Rounding,
    arcs: Vec<Option<Choice>>,
    spans: Vec<Option<Choice>>,
    fronts: Vec<Option<Choice>>,
    heads: &'a mut Heads,
}

/// A sum, and where it is split.
type Choice = (Option<f64>, usize);

impl Spans<'_> {
    fn add(&self, a: Option<f64>, b: Option<f64>) -> Option<f64> {
        Some(self.rounding.round(a? + b?))
    }

    /// The largest sum, and the lowest place among equals.
    fn best(&mut self, places: std::ops::Range<usize>, mut sum: impl FnMut(&mut Self, usize) -> Option<f64>) -> Choice {
        let mut best = (None, places.start);
        for place in places {
            let sum = sum(self, place);
            if sum > best.0 {
                best = (sum, place);
            }
        }
        best
    }

    /// The two spans between the head and the word of an arc.
    fn inside(&mut self, head: usize, word: usize) -> Choice {
        let (left, right) = (head.min(word), head.max(word));
        self.best(left..right, |spans, k| {
            let (a, b) = (spans.span(left, k).0, spans.span(right, k + 1).0);
            spans.add(a, b)
        })
    }

    fn arc(&mut self, head: usize, word: usize) -> Choice {
        let at = head * self.words + word;
        if self.arcs[at].is_none() {
            let (inside, split) = self.inside(head, word);
            self.arcs[at] = Some((self.add(self.gaps[at], inside), split));
        }
        self.arcs[at].expect("known now")
    }

    fn span(&mut self, head: usize, end: usize) -> Choice {
        if head == end {
            return (Some(0.0), head);
        }
        let at = head * self.words + end;
        if self.spans[at].is_none() {
            let words = if end > head { head + 1..end + 1 } else { end..head };
            let best = self.best(words, |spans, word| {
                let (a, b) = (spans.arc(head, word).0, spans.span(word, end).0);
                spans.add(a, b)
            });
            self.spans[at] = Some(best);
        }
        self.spans[at].expect("known now")
    }

    /// The first `len` words, of which `root` is the last that hangs from the root, without what is right of it.
    fn front_with(&mut self, root: usize) -> Choice {
        let (inside, split) = self.best(0..root + 1, |spans, k| {
            let (a, b) = (spans.front(k).0, spans.span(root, k).0);
            spans.add(a, b)
        });
        (self.add(self.gaps[root * self.words + root], inside), split)
    }

    fn front(&mut self, len: usize) -> Choice {
        if len == 0 {
            return (Some(0.0), 0);
        }
        if self.fronts[len].is_none() {
            let best = self.best(0..len, |spans, root| {
                let (a, b) = (spans.front_with(root).0, spans.span(root, len - 1).0);
                spans.add(a, b)
            });
            self.fronts[len] = Some(best);
        }
        self.fronts[len].expect("known now")
    }

    fn single(&mut self) -> Choice {
        self.best(0..self.words, |spans, root| {
            let (left, right) = (spans.span(root, 0).0, spans.span(root, spans.words - 1).0);
            let sum = spans.add(spans.gaps[root * spans.words + root], left);
            spans.add(sum, right)
        })
    }

    fn write_span(&mut self, head: usize, end: usize) {
        if head != end {
            let word = self.span(head, end).1;
            self.heads[word] = head;
            self.write_span(word, end);
            let split = self.arc(head, word).1;
            self.write_span(head.min(word), split);
            self.write_span(head.max(word), split + 1);
        }
    }
}

fn projective(gaps: &[Arc], words: usize, single_root: bool, rounding: Rounding) -> Option<Heads> {
    if words == 0 {
        return Some(Vec::new());
    }
    let mut heads = vec![usize::MAX; words];
    let mut by_place = vec![None; words * words];
    gaps.iter().for_each(|arc| by_place[arc.head.unwrap_or(arc.word) * words + arc.word] = Some(arc.adds));
    let mut spans = Spans {
        gaps: by_place,
        words,
        rounding,
        arcs: vec![None; words * words],
        spans: vec![None; words * words],
        fronts: vec![None; words + 1],
        heads: &mut heads,
    };
    if single_root {
        let (sum, root) = spans.single();
        sum?;
        spans.heads[root] = root;
        spans.write_span(root, 0);
        spans.write_span(root, words - 1);
    } else {
        spans.front(words).0?;
        let mut len = words;
        while len > 0 {
            let root = spans.front(len).1;
            spans.heads[root] = root;
            spans.write_span(root, len - 1);
            len = spans.front_with(root).1;
            spans.write_span(root, len);
        }
    }
    Some(heads)
}
