//! Where models and data come from: `dataset.attest`, `model.attest`.

use super::declare::body;
use super::fields::Digest;
use super::ids::{AgentId, DatasetId, ModelId};
use super::kinds::{Datasets, DigestOf, Id, Name, OnBehalfOf, Token};

body! {
    /// Body of `dataset.attest`: an agent made or took in a data set.
    ///
    /// Effect: the data set stands in the lineage graph. Refused: `dataset_exists`, `dataset_unknown` (a source that is not attested).
    DatasetAttest = "dataset.attest" by [Agent, Tenant, Operator], info DATASET {
        /// who says it
        required agent: AgentId as Id<AgentId>,
        /// the new data set's id
        required dataset: DatasetId as Id<DatasetId>,
        /// digest of its content
        required digest: Digest as DigestOf,
        /// what people call it
        required name: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the data sets that it was made of
        optional sources: Vec<DatasetId> as Datasets,
    }
}

body! {
    /// Body of `model.attest`: an agent made or took in a model.
    ///
    /// Effect: the model stands in the lineage graph. Refused: `model_exists`, `model_unknown`, `dataset_unknown`.
    ModelAttest = "model.attest" by [Agent, Tenant, Operator], info MODEL {
        /// who says it
        required agent: AgentId as Id<AgentId>,
        /// the model that it was made from
        optional base: ModelId as Id<ModelId>,
        /// the data sets that it has learnt from
        optional datasets: Vec<DatasetId> as Datasets,
        /// digest of its weights
        required digest: Digest as DigestOf,
        /// the new model's id
        required model: ModelId as Id<ModelId>,
        /// what people call it
        required name: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// its version
        optional version: String as Token,
    }
}
