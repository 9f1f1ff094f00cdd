//! The interface of a model: a scorer, which gives every arc a score, and a predictor, which sees a sentence through the
//! chosen arcs only.

/// Element h·n + d of theta, z and their gradients is the arc from word h to word d, and d·n + d is the arc from the root.
pub trait Model: Clone + Send + Sync {
    type Sentence: Sync;

    /// The words of a sentence, n.
    fn words(sentence: &Self::Sentence) -> usize;

    /// Writes theta `[n][n]`.
    fn scores(&self, sentence: &Self::Sentence, theta: &mut [f32]);

    /// Adds `weight` times the gradient of a loss to that of the scorer's weights, given the loss's gradient with respect
    /// to theta.
    fn backward_scores(&mut self, sentence: &Self::Sentence, grad_theta: &[f32], weight: f32);

    /// The loss of the sentence, given z.
    fn loss(&self, sentence: &Self::Sentence, z: &[f32]) -> f32;

    /// Returns the loss and adds `weight` times its gradient to that of the predictor's weights. Writes dz, the loss's
    /// gradient with respect to z without the factor `weight`, for all arcs, chosen or not.
    fn backward(&mut self, sentence: &Self::Sentence, z: &[f32], weight: f32, dz: &mut [f32]) -> f32;

    /// One step of Adam, number `step` counted from 1, for the predictor and, if it learns, for the scorer.
    fn step(&mut self, step: i32, rate: f32, scorer_learns: bool);
}
