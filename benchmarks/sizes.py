"""How large everything is: the paper's sizes, or tiny ones that only show that it runs."""

from dataclasses import dataclass

from cmivae.study import params as study


@dataclass(frozen=True)
class Sizes:
    """Sizes of all rows, and the device."""

    image: study.PixelCnnVae
    critic: study.Critic
    train: study.Train
    dsae: study.Dsae
    speech_train: study.SpeechTrain
    samples: int  # images drawn together
    files: int  # of speech
    file_samples: int
    speakers: int  # with 8 utterances each
    labelled: int  # images that the SVM learns from
    tested: int
    pixels: int
    calls: int  # of the fast rows, a timing
    device: str = "cpu"
    graph: bool = False  # our training steps as CUDA graphs


PAPER = Sizes(
    image=study.PixelCnnVae(name="pixelcnn_vae"),
    critic=study.Critic(),
    train=study.Train(epochs=1),  # batch 50
    dsae=study.Dsae(name="dsae"),
    speech_train=study.SpeechTrain(epochs=1),  # batch 256
    samples=100,
    files=60,
    file_samples=48_000,  # 3 s
    speakers=168,  # 902,496 trials
    labelled=1000,
    tested=10_000,
    pixels=784,
    calls=10,
)
SMOKE = Sizes(
    image=study.PixelCnnVae(
        name="pixelcnn_vae", channels=8, encoder_channels=8, encoder_out=16, kernels=(5, 3, 3), cut=1
    ),
    critic=study.Critic(channels=8),
    train=study.Train(epochs=1, batch_size=4),
    dsae=study.Dsae(name="dsae", z_dim=4, s_dim=4, hidden=8),
    speech_train=study.SpeechTrain(epochs=1, batch_size=4),
    samples=4,
    files=2,
    file_samples=8000,
    speakers=8,
    labelled=60,
    tested=100,
    pixels=30,
    calls=1,
)
