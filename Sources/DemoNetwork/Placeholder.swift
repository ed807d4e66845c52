// DemoNetwork
