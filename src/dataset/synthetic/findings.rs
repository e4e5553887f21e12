//! The sign of each finding: its changes of the anatomy, and what is drawn over it.
//!
//! Each is a simplified version of what a radiologist looks for, distinct from the others and visible at 64
//! pixels. The location of a finding depends on the patient, its strength on the image.

use super::anatomy::{Anatomy, Clouds, Spot, bump, ellipse, ridge, step};
use super::population::DrawnFinding;
use crate::random::Stream;

/// Brightness of consolidated lung, fluid and tumours.
const DENSE: f32 = 0.74;
/// Brightness of air without lung.
const FREE_AIR: f32 = 0.08;

/// Something drawn over the chest.
pub(super) struct Lesion {
    pub(super) finding: DrawnFinding,
    /// 0 is invisible, 1 is full strength.
    strength: f32,
    side: usize,
    centre: [f32; 2],
    radii: [f32; 2],
    /// Position of its texture in the noise.
    texture: f32,
}

/// Changes the anatomy and gives the lesion of a finding.
///
/// `place` is the stream for what stays the same for the patient, `strength` (0 to 1) belongs to the image.
pub(super) fn apply(finding: DrawnFinding, chest: &mut Anatomy, strength: f32, place: &mut Stream) -> Lesion {
    let mut between = |low: f32, high: f32| low + (high - low) * place.uniform() as f32;
    let side = usize::from(between(0.0, 2.0) >= 1.0);
    let texture = between(0.0, 32.0);
    let (across, along) = (between(0.0, 1.0), between(0.0, 1.0));
    let size = between(0.85, 1.15);
    let base = chest.sides[side].base;

    // Height as a share of the way from apex to base, then the place between the lung's edges.
    let at = |chest: &Anatomy, heights: [f32; 2], places: [f32; 2]| {
        let y = chest.top + (base - chest.top) * (heights[0] + (heights[1] - heights[0]) * along);
        let [outer, inner] = chest.edges(y, base, chest.top, chest.sides[side].outer);
        let x = inner + (outer - inner) * (places[0] + (places[1] - places[0]) * across);
        [if side == 0 { -x } else { x }, y]
    };
    let round = |radius: f32| [radius * size; 2];
    let (centre, radii) = match finding {
        DrawnFinding::Atelectasis => {
            chest.sides[side].base -= 0.10 + 0.06 * strength;
            (at(chest, [0.62, 0.74], [0.45, 0.60]), [0.27 * size, 0.05])
        }
        DrawnFinding::Cardiomegaly => {
            chest.heart.rx *= 1.30 + 0.35 * strength;
            chest.heart.ry *= 1.10;
            chest.heart.x += 0.03;
            ([chest.heart.x, chest.heart.y], [chest.heart.rx, chest.heart.ry])
        }
        DrawnFinding::Consolidation => (at(chest, [0.25, 0.60], [0.40, 0.60]), [0.21 * size, 0.19 * size]),
        DrawnFinding::Edema => ([0.0, -0.02], [0.52, 0.42 * size]),
        DrawnFinding::Effusion => {
            let level = base - 0.12 - 0.16 * along - 0.12 * strength;
            let x = 0.5 * (chest.inner + chest.sides[side].outer);
            let half = 0.5 * (chest.sides[side].outer - chest.inner);
            let (x, height) = (if side == 0 { -x } else { x }, base - level);
            ([x, level + 0.5 * height], [half, 0.5 * height])
        }
        DrawnFinding::Emphysema => {
            chest.top -= 0.05;
            for half in &mut chest.sides {
                half.base += 0.10;
                half.dome *= 0.25;
                half.outer += 0.05;
            }
            chest.heart.rx *= 0.82;
            chest.heart.y += 0.06;
            chest.lung -= 0.06 + 0.08 * strength;
            chest.vessels *= 0.4;
            // All of both lungs; nothing is drawn over them.
            ([0.0, 0.0], [0.7, 0.7])
        }
        DrawnFinding::Fibrosis => {
            chest.sides.iter_mut().for_each(|half| half.base -= 0.04);
            ([0.0, base - 0.22], [0.7, 0.34 * size])
        }
        DrawnFinding::Hernia => ([0.06 + 0.05 * across, base - 0.24], [0.15 * size, 0.14 * size]),
        DrawnFinding::Infiltration => (at(chest, [0.30, 0.70], [0.35, 0.65]), [0.25 * size, 0.25 * size]),
        DrawnFinding::Mass => (at(chest, [0.25, 0.70], [0.40, 0.70]), round(0.15)),
        DrawnFinding::Nodule => (at(chest, [0.20, 0.72], [0.35, 0.75]), round(0.062)),
        DrawnFinding::PleuralThickening => (at(chest, [0.55, 0.55], [1.0, 1.0]), [0.085 * size, 0.5]),
        DrawnFinding::Pneumonia => (at(chest, [0.72, 0.82], [0.35, 0.55]), [0.24 * size, 0.19 * size]),
        DrawnFinding::Pneumothorax => {
            let centre = at(chest, [0.22, 0.22], [0.55, 0.55]);
            (centre, [0.5 * (chest.sides[side].outer - chest.inner), 0.22 * (base - chest.top)])
        }
    };
    Lesion { finding, strength: 0.65 + 0.35 * strength, side, centre, radii, texture }
}

impl Lesion {
    /// Left, upper, right and lower end, for findings that occur in the published box list.
    pub(super) fn extent(&self) -> Option<[f32; 4]> {
        use DrawnFinding::*;
        let boxed = matches!(
            self.finding,
            Atelectasis | Cardiomegaly | Effusion | Infiltration | Mass | Nodule | Pneumonia | Pneumothorax
        );
        let ([x, y], [rx, ry]) = (self.centre, self.radii);
        let rise = match self.finding {
            // The band is tilted.
            Atelectasis => 0.2 * rx,
            // The fluid creeps up the chest wall.
            Effusion => 0.04,
            _ => 0.0,
        };
        let ry = ry + rise;
        boxed.then_some([x - rx, y - ry, x + rx, y + ry])
    }

    /// The brightness of a point where the chest without this lesion has brightness `value`.
    pub(super) fn over(&self, value: f32, spot: &Spot, chest: &Anatomy, clouds: &Clouds) -> f32 {
        let &Spot { x, y, .. } = spot;
        let side = if spot.side == self.side { 1.0 } else { 0.0 };
        let r2 = ellipse(x, y, self.centre, self.radii);
        let noise = |scale: f32| clouds.fine(x + self.texture, y, scale);
        // How much of the point is as bright as `DENSE`.
        let dense = match self.finding {
            DrawnFinding::Cardiomegaly | DrawnFinding::Emphysema => 0.0,
            DrawnFinding::Atelectasis => {
                let slope = if self.side == 0 { 0.25 } else { -0.25 };
                let away = (y - self.centre[1] - slope * (x - self.centre[0])) / self.radii[1];
                0.85 * step(1.3, 0.2, away.abs() + 0.5 * (noise(6.0) - 0.5))
                    * bump((x - self.centre[0]) / (1.3 * self.radii[0]))
                    * spot.lung
            }
            DrawnFinding::Consolidation => 0.92 * step(1.2, 0.45, r2 + 0.8 * (noise(7.0) - 0.5)) * spot.lung,
            DrawnFinding::Pneumonia => 0.62 * step(1.3, 0.1, r2 + 0.6 * (noise(7.0) - 0.5)) * spot.lung,
            DrawnFinding::Infiltration => {
                0.55 * step(1.4, 0.2, r2) * (0.2 + step(0.38, 0.68, noise(9.0))) * spot.lung
            }
            DrawnFinding::Edema => {
                let wing = ellipse(spot.across, y, [0.20, self.centre[1]], [0.36, self.radii[1]]);
                0.62 * step(1.1, 0.1, wing) * (0.7 + 0.5 * noise(9.0)) * spot.lung
            }
            DrawnFinding::Effusion => {
                let reach = (spot.across - 0.25) / 0.40;
                let surface = self.centre[1] - self.radii[1] - 0.16 * reach * reach * reach.signum();
                let chest_wall = step(-0.01, 0.02, spot.outer) * step(-0.05, 0.02, spot.inner);
                0.95 * step(-0.03, 0.03, y - surface) * chest_wall * side
            }
            DrawnFinding::Fibrosis => {
                let low = step(-0.15, 0.35, y) * spot.air;
                low * (0.12 + 0.6 * ridge(noise(10.0)).max(ridge(noise(7.0))))
            }
            DrawnFinding::Mass => 0.95 * step(1.3, 0.7, r2 + 0.7 * (noise(6.0) - 0.5)) * spot.lung.max(0.3),
            DrawnFinding::Nodule => 0.95 * step(1.5, 0.6, r2) * spot.lung.max(0.3),
            DrawnFinding::PleuralThickening => {
                let inward = self.radii[0] * (0.7 + 0.6 * noise(5.0));
                let rim = step(inward + 0.02, inward - 0.02, spot.outer) * step(-0.03, 0.0, spot.outer);
                rim * step(chest.top + 0.1, chest.top + 0.3, y) * step(-0.05, 0.0, spot.above) * side
            }
            DrawnFinding::Hernia => return self.hernia(value, r2, y),
            DrawnFinding::Pneumothorax => return self.pneumothorax(value, spot, chest),
        };
        value + (DENSE - value).max(0.0) * (self.strength * dense).min(1.0)
    }

    /// A bubble of air behind the heart, with a bright wall and fluid at its bottom.
    fn hernia(&self, value: f32, r2: f32, y: f32) -> f32 {
        let wall = bump((r2 - 1.0) / 0.4);
        let fluid = step(-0.01, 0.01, y - self.centre[1] - 0.35 * self.radii[1]);
        let air = step(1.0, 0.75, r2) * (1.0 - 0.8 * fluid);
        let value = value + (0.30 - value) * self.strength * air;
        value + 0.10 * self.strength * wall
    }

    /// The lung is detached from the chest wall: only air outside a thin line.
    fn pneumothorax(&self, value: f32, spot: &Spot, chest: &Anatomy) -> f32 {
        if spot.side != self.side || spot.lung == 0.0 {
            return value;
        }
        let half = chest.sides[spot.side];
        let gap = 0.20 * self.strength * step(half.base, chest.top + 0.2, spot.y);
        let top = chest.top + 1.5 * 0.20 * self.strength;
        let [outer, inner] = chest.edges(spot.y, half.base, top, half.outer - gap);
        let inside = (outer - spot.across).min(spot.across - inner).min(spot.y - top);
        let free = step(0.0, -0.02, inside) * spot.air;
        let line = bump((inside - 0.005) / 0.022) * step(half.base, half.base - 0.4, spot.y) * spot.air;
        value + (FREE_AIR - value) * 0.85 * free + 0.25 * line
    }
}
