def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
ARGUMENTS    arguments = parser.parse_args()
    network = Network()
    network.load_state_dict(load_file(arguments.checkpoint), strict=True)
    network.eval()
    with torch.inference_mode():
        logits = network(
            INPUTS
        )
    found = {}
    for label, logit, threshold in zip(LABELS, logits[0].double(), THRESHOLDS):
        found[label] = {"score": torch.sigmoid(logit).item(), "threshold": None, "positive": None}
        if threshold is not None:
            # Logits are compared: unlike probabilities, they do not become equal near 0 and 1.
            found[label]["threshold"] = 1 / (1 + math.exp(-threshold))
            found[label]["positive"] = logit.item() >= threshold
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
