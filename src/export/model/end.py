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
    scores = torch.sigmoid(logits.double())[0]
    print(json.dumps(dict(zip(LABELS, scores.tolist())), indent=2))


if __name__ == "__main__":
    main()
