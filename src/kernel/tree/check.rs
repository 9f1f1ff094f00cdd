//! Are given arcs a tree? Without memory, in O(n²) to O(n³).

/// True if n arcs are a tree: following `head`, which has the head of each word (a root's is itself), every word comes to
/// a root. `arcs` are the same arcs, as (head, word).
pub(crate) fn is_tree(
    n: usize,
    (projective, single_root): (bool, bool),
    head: impl Fn(usize) -> Option<usize>,
    arcs: impl Iterator<Item = (usize, usize)> + Clone,
) -> bool {
    // Words before this one were seen to come to a root.
    let comes_to_a_root = |word: usize| {
        let mut here = word;
        for _ in 0..n {
            match head(here) {
                None => return false,
                Some(up) if up == here || up < word => return true,
                Some(up) => here = up,
            }
        }
        false
    };
    (0..n).all(comes_to_a_root)
        && (!single_root || n == 0 || arcs.clone().filter(|(head, word)| head == word).count() == 1)
        && (!projective || arcs.clone().all(|arc| !arcs.clone().any(|other| cross(arc, other))))
}

/// True if the second arc starts inside the first and ends behind it. Words count from 1, and the root stands at 0.
fn cross(first: (usize, usize), second: (usize, usize)) -> bool {
    let ends = |(head, word): (usize, usize)| {
        let head = if head == word { 0 } else { head + 1 };
        (head.min(word + 1), head.max(word + 1))
    };
    let ((a, b), (c, d)) = (ends(first), ends(second));
    a < c && c < b && b < d
}
