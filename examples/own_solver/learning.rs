//! The training loop: scores that are linear in features learn to make a solver choose observed states.
//!
//! ```text
//! θ_i = ⟨w, x_i⟩            x_i: the features of coordinate i, w: the same for all
//! z   = MAP(θ + τ ε)        the solver
//! ℓ   = Σ_i [z_i ≠ y_i]     y: the observed state, so dz_i = 1 − 2 y_i
//! w   ← w − rate · (1/B) Σ_b Σ_i x_i ∇_θ_i L
//! ```

use imle::{Dz, Error, Forward, Imle, Key, MapSolver, Options, Rows, RowsMut, Shape, States};

/// Rows of coordinates with features, each with an observed state.
pub struct Data {
    /// S is 1.
    pub shape: Shape,
    /// `[B][N][F]`
    pub features: Vec<f32>,
    /// y, `[B][N]`
    pub observed: Vec<f32>,
}

impl Data {
    /// θ, `[B][N]`.
    pub fn scores(&self, w: &[f32]) -> Vec<f32> {
        self.features.chunks(w.len()).map(|x| x.iter().zip(w).map(|(x, w)| x * w).sum()).collect()
    }

    /// The states at test time, `[B][N]`.
    pub fn choose(&self, solver: impl MapSolver, w: &[f32]) -> Result<Vec<f32>, Error> {
        let layer = Imle::new(self.shape, solver, Options::default())?;
        let (mut z, mut work) = (vec![0.0; self.observed.len()], vec![0.0; layer.workspace_len()]);
        layer.map(Rows::contiguous(&self.scores(w)), States::z(&mut z), &mut work)?;
        Ok(z)
    }

    /// One step of gradient descent on the mean loss.
    pub fn step(
        &self,
        solver: impl MapSolver,
        options: Options,
        step: u64,
        rate: f32,
        w: &mut [f32],
    ) -> Result<(), Error> {
        let layer = Imle::new(self.shape, solver, options)?;
        let key = Key { seed: 1, step, ..Key::default() };
        let theta = self.scores(w);
        let (mut z, mut grad_theta) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
        let mut work = vec![0.0; layer.workspace_len()];
        layer.sample(key, Rows::contiguous(&theta), States::z(&mut z), &mut work)?;

        let dz: Vec<f32> = self.observed.iter().map(|y| 1.0 - 2.0 * y).collect();
        // The layer is given z again, so that the solver is called once more for z', and not twice.
        let (rows, out) = (Rows::contiguous(&theta), RowsMut::contiguous(&mut grad_theta));
        layer.gradient(key, rows, Dz::per_sample(&dz), Forward::Z(&z), out, &mut work)?;

        let mut grad_w = vec![0.0; w.len()];
        for (x, grad) in self.features.chunks(w.len()).zip(&grad_theta) {
            grad_w.iter_mut().zip(x).for_each(|(sum, x)| *sum += x * grad);
        }
        for (w, grad) in w.iter_mut().zip(&grad_w) {
            *w -= rate * grad / self.shape.rows as f32;
        }
        Ok(())
    }
}
